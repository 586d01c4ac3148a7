"""Spoil photographs in every way that `irq degradations ls` lists, one or two at a time, and write the table of them.

    python recipes/compact/distorted.py --photographs PHOTOGRAPHS --out datasets/distorted

What `irq triplets` makes are restorations; a scorer that is to judge any picture has to have seen plain noise, blocks
and washed-out colours too. The degraded input of these images is the image itself: nothing was restored.
"""

import argparse
import csv
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from ir_quality_plugin.checkpoints.write import whole
from ir_quality_plugin.data.images import list_images, read_image
from ir_quality_plugin.data.triplets import content_of, crop
from ir_quality_plugin.degradations import Degrader, degrade

COLUMNS = ("image", "reference", "degraded", "content", "distortion")
SPOIL = Degrader(steps=(1, 2))


def save(picture, path):
    """Write (3,H,W) in [0,1] as a PNG, unless it is there."""
    if not path.exists():
        with whole(path) as place:
            Image.fromarray((picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)).save(place, "png")


def distort(photographs, out, crop_px, each):
    """Make the pictures, and give their rows."""
    for path in tqdm(list_images(photographs)):
        content = content_of(path.name)
        clean = crop(read_image(path), crop_px, f"distorted/{content}")
        reference = Path("reference") / f"{content}.png"
        save(clean, out / reference)
        for index in range(each):
            steps = SPOIL.plan(random.Random(f"{content}/{index}").getrandbits(62))
            image = Path("distorted") / f"{content}_{index}.png"
            if not (out / image).exists():
                save(degrade(clean[None], [steps])[0], out / image)
            yield {
                "image": image, "reference": reference, "degraded": image, "content": content,
                "distortion": "+".join(step.operator for step in steps),
            }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--crop", type=int, default=192, help="side in pixels")
    parser.add_argument("--each", type=int, default=6, help="pictures of each photograph")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = list(distort(given.photographs, given.out, given.crop, given.each))
    with whole(given.out / "table.csv") as place, place.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)
