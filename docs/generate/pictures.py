"""Make the pictures of the documentation anew, from photographs that scikit-image and matplotlib carry.

    irq demo --out demo --iterations 300
    python docs/generate/pictures.py demo

The demonstration's networks restore its test photographs; everything else is what the commands write. Pages are drawn
by chromium where it is on PATH; without it, their pictures are left as they are. Scores are in no picture: the gallery
computes them when the site is built, with the weights that ship then.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import method_figures
import torch
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
PICTURES = ROOT / "docs" / "pictures"
TERM = PICTURES / "term"
METHODS = {"input": "input", "bicubic": "bicubic", "L1": "l1", "L1 + CKDN term": "term", "clean": "clean"}
SHOWN = (1, 4, 7, 8)
GAP_PX = 4


def main(demo: Path) -> None:
    """Make every picture."""
    with contextlib.chdir(demo):
        pictures = outputs()
    term(pictures)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_folders(pictures, work)
        report(work)
        sheets(demo.resolve(), work)
        method_figures.main(demo.resolve())
        probe(work)


def outputs() -> list[dict[str, Image.Image]]:
    """What the demonstration's networks make of its test photographs, and what they are made from."""
    from ir_quality_plugin.cli.demo import evaluate
    from ir_quality_plugin.integrations.register import register

    register()
    _, pictures = evaluate()
    return [{name: Image.fromarray(array) for name, array in shown.items()} for shown in pictures]


def term(pictures: list[dict[str, Image.Image]]) -> None:
    """Single pictures for the gallery, and one strip of each for the first page."""
    shutil.rmtree(TERM, ignore_errors=True)
    TERM.mkdir(parents=True)
    for index in SHOWN:
        for name, short in METHODS.items():
            pictures[index][name].save(TERM / f"{index}_{short}.webp", lossless=True, method=6)
    shown = [pictures[SHOWN[1]][name] for name in METHODS]
    side = shown[0].width
    strip = Image.new("RGB", ((side + GAP_PX) * len(shown) - GAP_PX, side), "white")
    for place, picture in enumerate(shown):
        strip.paste(picture, (place * (side + GAP_PX), 0))
    strip.save(PICTURES / "term.webp", quality=92, method=6)


def write_folders(pictures: list[dict[str, Image.Image]], work: Path) -> None:
    """The folders that `irq evaluate` takes."""
    folders = {"bicubic": "bicubic", "L1": "l1", "L1 + CKDN term": "term", "clean": "gt"}
    for index, shown in enumerate(pictures):
        for name, folder in folders.items():
            (work / folder).mkdir(exist_ok=True)
            shown[name].save(work / folder / f"{index:02}.png")
        small = shown["input"].resize([side // 4 for side in shown["input"].size], Image.Resampling.NEAREST)
        (work / "lq").mkdir(exist_ok=True)
        small.save(work / "lq" / f"{index:02}.png")


def report(work: Path) -> None:
    """The page of `irq evaluate`."""
    methods = [word for name in ("bicubic", "l1", "term") for word in ("--restored", f"{name}={work / name}")]
    metrics = ["--scorer", "ckdn-s", "--scorer", "teacheriqa-s", "--pyiqa", "psnr", "--pyiqa", "ssim", "--pyiqa", "vsi"]
    partners = ["--degraded", work / "lq", "--reference", work / "gt"]
    irq("evaluate", *methods, *partners, *metrics, "--out", work / "evaluation")
    draw(work / "evaluation" / "report.html", PICTURES / "report.webp", 1600)


def sheets(demo: Path, work: Path) -> None:
    """What degradations do to a photograph, and labelled restorations of one."""
    photograph = demo / "photographs" / "train" / "chelsea.png"
    chosen = ("gaussian_blur", "correlated_noise", "jpeg", "ringing", "block_loss", "over_sharpening")
    operators = [word for name in chosen for word in ("--operator", name)]
    irq("degradations", "sheet", photograph, "--side", "128", *operators, "--out", work / "degradations.png")
    save(work / "degradations.png", PICTURES / "degradations.webp")
    photographs = work / "photographs"
    photographs.mkdir()
    for name in ("astronaut.png", "rocket.png", "chelsea.png"):
        shutil.copyfile(demo / "photographs" / "train" / name, photographs / name)
    made = work / "made"
    irq("triplets", "--photographs", photographs, "--out", made, "--crop", "128", "--inputs", "1", "--workers", "1")
    labels = ["--out", made / "labels.csv", "--sheet", made / "sheet.png", "--workers", "1"]
    irq("label", "--table", made / "table.csv", *labels)
    save(made / "sheet.png", PICTURES / "labels.webp")


def probe(work: Path) -> None:
    """The page of `irq probe`."""
    metrics = ["--scorer", "ckdn-s", "--scorer", "teacheriqa-s", "--pyiqa", "ssim"]
    partners = ["--images", work / "l1", "--degraded", work / "lq", "--reference", work / "gt"]
    irq("probe", *metrics, *partners, "--limit", "3", "--side", "160", "--out", work / "probe")
    draw(work / "probe" / "report.html", PICTURES / "probe.webp", 1500)


def irq(*arguments: object) -> None:
    """Run a command; its failure is this script's."""
    subprocess.run([sys.executable, "-m", "ir_quality_plugin", *map(str, arguments)], check=True, cwd=ROOT)


def save(source: Path, target: Path) -> None:
    """Write a picture as WebP, no wider than a page shows it."""
    picture = Image.open(source).convert("RGB")
    picture.thumbnail((1400, 4000))
    picture.save(target, quality=85, method=6)


def draw(page: Path, target: Path, height_px: int) -> None:
    """Draw the beginning of a page."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        print(f"no chromium on PATH: {target.name} is left as it is", file=sys.stderr)
        return
    shot = page.with_suffix(".png")
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        size = [f"--screenshot={shot}", f"--window-size=1200,{height_px}"]
        subprocess.run([browser, *options, *size, page.as_uri()], check=True, capture_output=True)
    save(shot, target)


def scores() -> str:
    """Markdown of the gallery's rows: each method's picture with its scores by the weights that ship now."""
    from ir_quality_plugin.catalog import load_scorer
    from ir_quality_plugin.data.images import read_image

    scorers = [load_scorer(name) for name in ("ckdn-s", "teacheriqa-s", "cvrkd-s")]
    lines = io.StringIO()
    names = [name for name in METHODS if name != "input"]
    print("| | input | " + " | ".join(names) + " |\n|---|" + "---|" * len(METHODS), file=lines)
    indexes = sorted({int(path.name.split("_")[0]) for path in TERM.glob("*.webp")})
    for place, index in enumerate(indexes):
        images = {short: read_image(TERM / f"{index}_{short}.webp")[None] for short in METHODS.values()}
        other = read_image(TERM / f"{indexes[place - 1]}_clean.webp")[None]
        cells = [f"![{name}](pictures/term/{index}_{short}.webp)" for name, short in METHODS.items()]
        print("| | " + " | ".join(cells) + " |", file=lines)
        for scorer in scorers:
            with torch.no_grad():
                row = [
                    scorer(images[METHODS[name]], degraded=images["input"][..., 2::4, 2::4], reference=other).item()
                    for name in names
                ]
            print(f"| `{scorer.card.name}` | | " + " | ".join(f"{score:.3f}" for score in row) + " |", file=lines)
    return lines.getvalue()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
