"""Images that are judged the worse the noisier they are, for the tests of `irq benchmark`, and calls of it."""

import csv
import json
import sys
from pathlib import Path

import torch
from PIL import Image

from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.degradations import OPERATORS, Step, degrade

PHOTOGRAPHS = Path(__file__).parents[1] / "recipes" / "smoke" / "photographs" / "train" / "gt"
SIDE_PX = 64


def write(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((image.permute(1, 2, 0) * 255).round().byte().numpy()).save(path)


def write_judged(root):
    """Four photographs, each noisier and noisier; opinions fall with the noise."""
    rows = []
    for photograph in sorted(PHOTOGRAPHS.glob("*.png"))[:4]:
        clean = read_image(photograph)[:, :SIDE_PX, :SIDE_PX]
        write(clean, root / "clean" / photograph.name)
        for level in range(1, 5):
            step = Step("gaussian_noise", OPERATORS["gaussian_noise"].strength(level), level)
            name = f"{photograph.stem}_{level}.png"
            write(degrade(clean[None], [[step]])[0], root / "images" / name)
            write(torch.nn.functional.avg_pool2d(clean[None], 2)[0], root / "degraded" / name)
            rows.append(
                [name, 5 - level + 0.1 * (len(rows) % 3), f"../clean/{photograph.name}", photograph.stem, "noise"]
            )
    write_labels(root, rows)
    return root


def write_labels(root, rows, header=("image", "mos", "reference", "content", "distortion")):
    (root / "labels").mkdir(exist_ok=True)
    with (root / "labels" / "scores.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def labels_of(root, *columns):
    """Rows of the labels, of these columns alone."""
    with (root / "labels" / "scores.csv").open() as file:
        return [[row[column] for column in columns] for row in csv.DictReader(file)]


def arguments(root, *more):
    """The call, into `out` unless another folder is named."""
    out = () if "--out" in more else ("--out", root / "out")
    labels = root / "labels" / "scores.csv"
    return ["benchmark", "--labels", labels, "--images", root / "images", "--resamples", 100, *out, *more]


def command(root, *more, code=None):
    """The call in a process of its own, or of code that ends in `main()`."""
    launch = ["-c", code] if code else ["-m", "ir_quality_plugin"]
    return [sys.executable, *launch, *map(str, arguments(root, *more))]


def summary_of(root, out="out"):
    """What the run found."""
    return json.loads((root / out / "summary.json").read_text())


def scores_of(root, out="out"):
    """Rows of the table that the run wrote."""
    with (root / out / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def page_of(root):
    """The page of the run."""
    return (root / "out" / "report.html").read_text()
