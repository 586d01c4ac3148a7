"""Draw how the three methods work, by the networks that ship, on photographs that scikit-image and matplotlib carry.

    irq demo --out demo --iterations 300
    python docs/generate/method_figures.py demo

`pictures.py` calls this too. Scores are in no picture: those of CVRKD's are computed when the site is built.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from PIL import Image
from torch import Tensor, nn

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
METHODS = ROOT / "docs" / "pictures" / "methods"
SIDE_PX, GAP_PX = 224, 4
SPOILED = ("gaussian_blur", "correlated_noise", "jpeg")
LEVEL = 3
REFERENCES = ("astronaut", "rocket", "coffee_2", "chelsea")


def main(demo: Path) -> None:
    """Make every figure."""
    METHODS.mkdir(parents=True, exist_ok=True)
    photographs = {path.stem: path for path in sorted(demo.glob("photographs/*/*.png"))}
    with torch.no_grad():
        teacheriqa(photographs["astronaut"])
        ckdn(photographs["chelsea"])
    cvrkd(photographs)


def teacheriqa(photograph: Path) -> None:
    """A row each: spoiled photographs, what the teacher inside of `teacheriqa-s` makes of them, what it took away."""
    from ir_quality_plugin.catalog import load_teacher

    teacher = load_teacher()
    columns = []
    for spoiled in spoil(photograph):
        restored = teacher(spoiled).restored
        columns.append([pixels(spoiled), pixels(restored), pixels(0.5 + 2 * (spoiled - restored))])
    write("teacheriqa", [list(row) for row in zip(*columns, strict=True)])


def ckdn(photograph: Path) -> None:
    """How far spoiled images are from the clean one, in both encoders' spaces, on one scale."""
    from ir_quality_plugin.catalog import load_scorer

    scorer = load_scorer("ckdn-s")
    encoders = (scorer.network.quality_encoder, scorer.network.degradation_encoder)
    clean = scorer.normalise(read(photograph))
    rows = []
    for spoiled in spoil(photograph):
        told = [apart(encoder, scorer.normalise(spoiled), clean) for encoder in encoders]
        rows.append([pixels(spoiled), *told])
    most = max(told.max() for row in rows for told in row[1:])
    columns = [[row[0], *(heat(told / most) for told in row[1:])] for row in rows]
    write("ckdn", [list(row) for row in zip(*columns, strict=True)])


def cvrkd(photographs: dict[str, Path]) -> None:
    """Single pictures for the page's table: a photograph, spoiled, and clean ones of anything."""
    for name in REFERENCES:
        save(pixels(read(photographs[name])), f"reference_{name}")
    for level in (1, 3, 5):
        spoiled = spoil(photographs["chelsea"], ("gaussian_blur",), level)[0]
        save(pixels(spoiled), f"judged_{level}")


def scores() -> str:
    """Markdown: each judged picture by each clean reference, with the weights that ship now."""
    from ir_quality_plugin.catalog import load_scorer
    from ir_quality_plugin.data.images import read_image

    scorer = load_scorer("cvrkd-s")
    references = {name: read_image(METHODS / f"reference_{name}.webp")[None] for name in REFERENCES}
    lines = io.StringIO()
    pictures = [f"![{name}](pictures/methods/reference_{name}.webp)" for name in REFERENCES]
    print("| judged, against | " + " | ".join(pictures) + " |\n|---|" + "---|" * len(REFERENCES), file=lines)
    for judged in sorted(METHODS.glob("judged_*.webp")):
        image = read_image(judged)[None]
        with torch.no_grad():
            row = [f"{scorer(image, reference=reference).item():.3f}" for reference in references.values()]
        print(f"| ![blurred](pictures/methods/{judged.name}) | " + " | ".join(row) + " |", file=lines)
    return lines.getvalue()


def read(photograph: Path) -> Tensor:
    """The middle of a photograph, (1,3,SIDE_PX,SIDE_PX) in [0,1]."""
    from ir_quality_plugin.data.images import read_image

    image = read_image(photograph)[None]
    height, width = image.shape[-2:]
    scale = max(SIDE_PX / height, SIDE_PX / width)
    image = nn.functional.interpolate(image, scale_factor=scale, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = ((side - SIDE_PX) // 2 for side in image.shape[-2:])
    return image[..., top : top + SIDE_PX, left : left + SIDE_PX]


def spoil(photograph: Path, operators: tuple[str, ...] = SPOILED, level: int = LEVEL) -> list[Tensor]:
    """The middle of a photograph, spoiled by each operator."""
    from ir_quality_plugin.degradations.operators import OPERATORS

    clean = read(photograph)
    chosen = [OPERATORS[name] for name in operators]
    return [one(clean, torch.tensor([one.strength(level)]), [torch.Generator().manual_seed(0)]) for one in chosen]


def apart(encoder: nn.Module, one: Tensor, other: Tensor) -> np.ndarray:
    """The distance of two images by place, in an encoder's space, over the size of the second one's features."""
    features = encoder(other)
    distance = (encoder(one) - features).square().mean(1, keepdim=True).sqrt() / features.square().mean().sqrt()
    return nn.functional.interpolate(distance, one.shape[-2:], mode="nearest")[0, 0].numpy()


def heat(values: np.ndarray) -> np.ndarray:
    """Values in [0,1] as colours, dark to bright."""
    return (colormaps["magma"](values)[..., :3] * 255).round().astype(np.uint8)


def pixels(image: Tensor) -> np.ndarray:
    """(1,3,H,W) in [0,1] as 8-bit RGB (H,W,3)."""
    return (image[0].clamp(0, 1).permute(1, 2, 0) * 255).round().byte().numpy()


def write(name: str, rows: list[list[np.ndarray]]) -> None:
    """Pictures in rows, white between them."""
    height, width = (len(line) * (SIDE_PX + GAP_PX) - GAP_PX for line in (rows, rows[0]))
    sheet = np.full((height, width, 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            top, left = y * (SIDE_PX + GAP_PX), x * (SIDE_PX + GAP_PX)
            sheet[top : top + SIDE_PX, left : left + SIDE_PX] = picture
    save(sheet, name)


def save(picture: np.ndarray, name: str) -> None:
    """Write WebP that looks like what it was made from."""
    Image.fromarray(picture).save(METHODS / f"{name}.webp", quality=90, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
