"""Cut the small photographs of recipes/smoke from free ones that scikit-image and matplotlib carry.

    python recipes/smoke/cut_photographs.py

`gt` is clean, `x4` its bicubic reduction, `noise25` has Gaussian noise of sigma 25/255. Photographs of `val` are of
other scenes than those of `train`. `judged` holds restorations of `x4` that found more or less of what was lost, with
noise; the `mos` of `judged.csv` says how much. No person ever judged them: they show how such files are read. Each
photograph is in the public domain or CC0; THIRD_PARTY_NOTICES says whose.
"""

import csv
from pathlib import Path

import matplotlib
import numpy as np
import skimage
from PIL import Image

SIDE_PX = 96
SCALE = 4
SIGMA_255 = 25
# Share of the lost detail that a restoration found, noise in 1/255, and what that is worth between 1 and 5.
RESTORATIONS = ((0.0, 0, 1.6), (0.4, 12, 2.2), (0.7, 4, 3.7), (1.0, 2, 4.8))
FOLDER = Path(__file__).parent / "photographs"
SKIMAGE = Path(skimage.__file__).parent / "data"
MATPLOTLIB = Path(matplotlib.get_data_path()) / "sample_data"

# Set, photograph, and the left and upper edge of each crop.
CROPS = (
    ("train", SKIMAGE / "astronaut.png", ((180, 60), (60, 280), (330, 300))),
    ("train", SKIMAGE / "chelsea.png", ((90, 60), (180, 130), (280, 30))),
    ("train", SKIMAGE / "rocket.jpg", ((270, 120), (300, 320))),
    ("val", SKIMAGE / "coffee.png", ((250, 110), (80, 240))),
    ("val", MATPLOTLIB / "grace_hopper.jpg", ((210, 140), (190, 320))),
)


def judge(part: str, stem: str, clean: Image.Image, small: Image.Image, draw: np.random.Generator) -> list[tuple]:
    """Write restorations of a crop; gives their rows."""
    rows = []
    up = np.asarray(small.resize(clean.size, Image.Resampling.BICUBIC), dtype=float)
    for index, (found, sigma_255, mos) in enumerate(RESTORATIONS):
        restored = up + found * (np.asarray(clean) - up) + draw.normal(0, sigma_255, up.shape)
        path = FOLDER / "judged" / f"{stem}_{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(restored.round().clip(0, 255).astype(np.uint8)).save(path, quality=92)
        rows.append((f"judged/{path.name}", f"{part}/gt/{stem}.png", f"{part}/x4/{stem}.png", mos, stem.split("_")[0]))
    return rows


def main() -> None:
    """Write every crop and what is made of it."""
    draw = np.random.default_rng(0)
    rows = [("image", "reference", "degraded", "mos", "content")]
    for part, source, corners in CROPS:
        photograph = Image.open(source).convert("RGB")
        for index, (left, upper) in enumerate(corners):
            clean = photograph.crop((left, upper, left + SIDE_PX, upper + SIDE_PX))
            small = clean.resize((SIDE_PX // SCALE, SIDE_PX // SCALE), Image.Resampling.BICUBIC)
            noise = draw.normal(0, SIGMA_255, (SIDE_PX, SIDE_PX, 3))
            noisy = Image.fromarray((np.asarray(clean) + noise).round().clip(0, 255).astype(np.uint8))
            for kind, image in (("gt", clean), ("x4", small), ("noise25", noisy)):
                path = FOLDER / part / kind / f"{source.stem}_{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                image.save(path, optimize=True)
            rows += judge(part, f"{source.stem}_{index}", clean, small, np.random.default_rng(len(rows)))
    with (FOLDER / "judged.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    names = sorted(path.name for path in (FOLDER / "train" / "gt").iterdir())
    (FOLDER / "train" / "gt.txt").write_text("".join(f"{name}\n" for name in names))


if __name__ == "__main__":
    main()
