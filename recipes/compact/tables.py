r"""Write the tables that the shipped scorers are trained on: made triplets, real networks' outputs, people's scores.

    # All: the network that labels, and that the scorers start from. Every twentieth of 680 clean photographs, in the
    # order of their names, is in datasets/pristine/val (34), the others in datasets/pristine/train (646); the network
    # learns from the latter, without labels, and everything below is made of them.
    irq train -opt recipes/teacher_iqa/compact_teacher.yml     # TEACHER: experiments/.../models/net_g_latest.pth

    # teacheriqa-s and cvrkd-s: one made set, six spoiled pictures of a photograph, every row once.
    irq triplets --photographs datasets/pristine/train --out datasets/made --restorations 3 \
        --scale 1 --scale 2 --scale 3 --scale 4 --scale 8
    python recipes/compact/distorted.py --photographs datasets/pristine/train --out datasets/distorted --each 6
    python recipes/compact/tables.py gather --data DATA --made datasets/made --made datasets/distorted \
        --out datasets/compact
    irq label --table datasets/compact/unlabelled.csv --out datasets/compact/consensus.csv \
        --metric fsim --metric vsi --teacher TEACHER
    python recipes/compact/tables.py finish --data DATA --out datasets/compact --overlap \
        --repeat-networks 1 --repeat-scenes 1

    # ckdn-s, which starts from the shipped teacheriqa-s: two made sets, twelve spoiled pictures of a photograph, and
    # rare rows listed more often.
    irq triplets --photographs datasets/pristine/train --out datasets/made --restorations 3 \
        --scale 1 --scale 2 --scale 3 --scale 4 --scale 8
    irq triplets --photographs datasets/pristine/train --out datasets/made_more --restorations 4 --seed 1 \
        --scale 1 --scale 2 --scale 3 --scale 4 --scale 8
    python recipes/compact/distorted.py --photographs datasets/pristine/train --out datasets/distorted --each 12
    python recipes/compact/tables.py gather --data DATA --made datasets/made --made datasets/made_more \
        --made datasets/distorted --out datasets/compact
    irq label --table datasets/compact/unlabelled.csv --out datasets/compact/consensus.csv \
        --metric fsim --metric vsi --teacher TEACHER
    python recipes/compact/tables.py finish --data DATA --out datasets/compact --overlap

The tables of a scorer replace those of another: train teacheriqa-s and cvrkd-s before the second block, or give it
another --out and the recipe that folder (`--set datasets.train.dataroot=...`, and of val and test).

`gather` joins the made triplets and DATA/restored/dev_sr_x4 (a photograph that both show is one content). `finish` adds
a clean image to each degraded input, with the label 1; the people's scores of DATA/human/sr4kiqa, cut into tiles, with
the input made by bicubic reduction of the reference, and of DATA/human/pcuid for the blind scorer; and it writes
`guided_{train,val,test}.csv` and `blind_{train,val,test}.csv`, apart by content. Scores of people are mapped linearly
from the range of their set to [0,1], the range of the consensus.
"""

import argparse
import csv
import os
import zlib
from pathlib import Path

import torch
from PIL import Image
from torch.nn.functional import interpolate

from ir_quality_plugin.checkpoints.write import whole
from ir_quality_plugin.data.images import list_images, read_image

COLUMNS = ("image", "reference", "degraded", "mos", "content", "distortion")
NETWORKS = ("IMDN", "PCARN-M-L1", "PCARN-M", "SRGAN-d", "SRGAN-z")
# Scenes of SR4KIQA that are never trained on; the other scenes are.
SCENES = {"Face3": "val", "Building2": "val", "Animal3": "test", "TextSimpIn2": "test", "CityStreetNight": "test"}
# Side and offsets are whole multiples of x2, x3, x4 and x8.
TILE_PX = 240
TILES = {
    False: [(top, left) for top in (0, 336) for left in (0, 240, 456)],
    True: [(top, left) for top in (0, 168, 336) for left in (0, 120, 240, 336, 456)],  # overlapping
}


def part_of(content):
    """The part that a content of no people's set belongs to: a tenth each for validation and test."""
    return {0: "test", 1: "val"}.get(zlib.crc32(content.encode()) % 10, "train")


def read_table(path):
    """Rows of a CSV by column."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_table(path, rows, columns=COLUMNS):
    """Rows as a CSV; what a row lacks is left empty."""
    with whole(path) as place, place.open("w", newline="") as file:
        table = csv.DictWriter(file, columns, extrasaction="ignore", restval="")
        table.writeheader()
        table.writerows(rows)
    print(f"{path}: {len(rows)} rows")


def gather(data, made, out):
    """Made triplets and real networks' outputs, with no labels yet."""

    def seen_from(path):
        return os.path.relpath(path, out)

    rows = [
        row
        | {name: seen_from(folder / row[name]) for name in ("image", "reference", "degraded")}
        | {"content": row["content"].rpartition("-")[0]}
        for folder in made
        for row in read_table(folder / "table.csv")
    ]
    folder = data / "restored/dev_sr_x4"
    for reference in list_images(folder / "gt"):
        degraded = next((folder / "degraded").glob(f"{reference.stem}.*"))
        for method in ("bicubic", *NETWORKS):
            restored = next((folder / method).glob(f"{reference.stem}.*"))
            named = {"image": restored, "reference": reference, "degraded": degraded}
            rows.append(
                {name: seen_from(path) for name, path in named.items()}
                | {"content": reference.stem, "distortion": method}
            )
    write_table(out / "unlabelled.csv", rows, [name for name in COLUMNS if name != "mos"])


def finish(data, out, overlap, repeat_networks, repeat_scenes):
    """The consensus, clean images, and people's scores, apart by content; in training, rare rows several times."""
    judged = read_table(out / "consensus.csv")
    # The input of a picture that nothing restored is itself; the clean image then is its own as well.
    inputs = {
        (row["reference"], row["reference" if row["degraded"] == row["image"] else "degraded"]): row["content"]
        for row in judged
    }
    clean = [
        {"image": reference, "reference": reference, "degraded": degraded, "mos": 1, "content": content}
        for (reference, degraded), content in inputs.items()
    ]
    made = [row | {"part": part_of(row["content"])} for row in [*judged, *clean]]
    scenes = list(sr4kiqa(data / "human/sr4kiqa", out, TILES[overlap]))
    under_water = list(pcuid(data / "human/pcuid", out))
    for part in ("train", "val", "test"):
        blind = [row for row in [*made, *scenes, *under_water] if row["part"] == part]
        if part == "train":
            blind += [row for row in blind if row.get("distortion") in NETWORKS for _ in range(repeat_networks - 1)]
            blind += [row for row in scenes if row["part"] == part for _ in range(repeat_scenes - 1)]
        write_table(out / f"blind_{part}.csv", blind)
        write_table(out / f"guided_{part}.csv", [row for row in blind if row.get("degraded")])


def sr4kiqa(folder, out, tiles):
    """Super-resolved images; tiles of them in the training part, whole images in the others."""
    for row in read_table(folder / "scores.csv"):
        part, name = SCENES.get(row["scene"], "train"), Path(row["image"]).stem
        scale = int(row["scale"])
        images = {"image": read_image(folder / row["image"])}
        height, width = (side - side % scale for side in images["image"].shape[1:])
        if row["reference"]:
            images["reference"] = read_image(folder / row["reference"])
        images = {kind: image[:, :height, :width] for kind, image in images.items()}
        if "reference" in images:
            images["degraded"] = reduced(images["reference"], scale)
        for top, left in tiles if part == "train" else [(0, 0)]:
            paths = {}
            for kind, image in images.items():
                factor = scale if kind == "degraded" else 1
                side = TILE_PX // factor if part == "train" else max(image.shape)
                shown = name if kind == "image" else f"{row['scene']}_x{scale}"  # restorations share their input
                paths[kind] = f"sr4kiqa/{part}/{shown}_{top}_{left}_{kind}.png"
                if not (out / paths[kind]).exists():
                    save(image[:, top // factor :, left // factor :][:, :side, :side], out / paths[kind])
            yield paths | {
                "mos": (float(row["mos"]) - 1) / 4, "content": row["scene"], "distortion": row["method"], "part": part,
            }  # fmt: skip


def save(image, path):
    """Write (3,H,W) in [0,1] as a PNG."""
    with whole(path) as place:
        Image.fromarray((image.permute(1, 2, 0) * 255).round().byte().numpy()).save(place, "png")


def reduced(image, scale):
    """An image at a whole fraction of its size, by bicubic interpolation with antialiasing."""
    size = [side // scale for side in image.shape[1:]]
    return interpolate(image[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)


def pcuid(folder, out):
    """Underwater photographs, without any reference."""
    for row in read_table(folder / "scores.csv"):
        name = Path(row["image"]).stem
        yield {
            "image": os.path.relpath(folder / row["image"], out), "mos": float(row["mos"]) / 100,
            "content": f"pcuid_{name}", "distortion": "underwater", "part": part_of(f"pcuid_{name}"),
        }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("gather", "finish"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--made", type=Path, action="append", help="repeatable")
    parser.add_argument("--out", type=Path, default=Path("datasets/compact"))
    parser.add_argument("--overlap", action="store_true", help="15 tiles of an image that people judged instead of 6")
    parser.add_argument("--repeat-networks", type=int, default=4, help="how often a real network's output is listed")
    parser.add_argument("--repeat-scenes", type=int, default=2, help="how often a tile that people judged is listed")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if given.step == "gather":
        gather(given.data, given.made or [Path("datasets/made")], given.out)
    else:
        finish(given.data, given.out, given.overlap, given.repeat_networks, given.repeat_scenes)
