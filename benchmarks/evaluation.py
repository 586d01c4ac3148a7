"""Throughput of `irq evaluate` beside the raw forward of its scorer on images that are in memory already.

python benchmarks/evaluation.py --out benchmarks/results/evaluation.json
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from provenance import provenance

import ir_quality_plugin as irq
from ir_quality_plugin.data.folders import pair_folders
from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.evaluation.run import Plan, evaluate

IMAGES, METHODS, SIDE_PX, SCALE, ROUNDS = 40, 2, 256, 4, 3


def write_images(root: Path) -> dict[str, Path]:
    """Write smooth noise as PNG: degraded images and two methods."""
    draw = np.random.default_rng(0)
    folders = {name: root / name for name in ("degraded", *(f"method_{index}" for index in range(METHODS)))}
    for folder in folders.values():
        folder.mkdir()
    for index in range(IMAGES):
        coarse = Image.fromarray(draw.integers(0, 256, (SIDE_PX // 16, SIDE_PX // 16, 3), dtype=np.uint8))
        for name, folder in folders.items():
            side = SIDE_PX // SCALE if name == "degraded" else SIDE_PX
            coarse.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{index:03d}.png")
    return folders


def raw_rate(folders: dict[str, Path]) -> float:
    """Files a second of the forward alone, one by one."""
    scorer = irq.load_scorer("ckdn-s")
    pairs = [
        (read_image(path)[None], read_image(folders["degraded"] / path.name)[None])
        for name, folder in folders.items()
        if name != "degraded"
        for path in sorted(folder.iterdir())
    ]
    with torch.inference_mode():
        scorer(*pairs[0])
        began = time.perf_counter()
        for restored, degraded in pairs:
            scorer(restored, degraded).item()
    return len(pairs) / (time.perf_counter() - began)


def evaluation_rate(folders: dict[str, Path], out: Path) -> float:
    """Files a second of `irq evaluate`, reading, thumbnails and the log included."""
    methods = {name: folder for name, folder in folders.items() if name != "degraded"}
    plan = Plan(pair_folders(methods, folders["degraded"]), ("ckdn-s",), ())
    with evaluate(plan, out, restart=True) as found:
        return found.scored_now / found.seconds if found else float("nan")


def main() -> None:
    """Measure both in turns, and write the medians with date, hardware and commit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        folders = write_images(Path(folder))
        raw, whole = zip(
            *((raw_rate(folders), evaluation_rate(folders, Path(folder) / "out")) for _ in range(ROUNDS)), strict=True
        )
    result = {
        "files": IMAGES * METHODS,
        "restored_px": SIDE_PX,
        "scorer": "ckdn-s",
        "raw_forward_files_a_second": [round(rate, 2) for rate in raw],
        "irq_evaluate_files_a_second": [round(rate, 2) for rate in whole],
        "ratio_of_medians": round(float(np.median(whole) / np.median(raw)), 3),
        **provenance(),
    }
    print(json.dumps(result, indent=1))
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
