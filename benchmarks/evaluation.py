"""Throughput of `irq evaluate` beside the raw forward of its scorer on images that are in memory already.

python -m benchmarks.evaluation [--precision bf16]     # a part of `python -m benchmarks.speed`, alone
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image

import ir_quality_plugin as irq
from ir_quality_plugin.data.folders import pair_folders
from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.evaluation.run import Plan, evaluate

from .provenance import provenance

IMAGES, METHODS, SIDE_PX, SCALE, ROUNDS = 40, 2, 256, 4, 3
SCORER, DEGRADED = "ckdn-s", "degraded"
EXPECTED = {"fp32": 0.9, "bf16": 0.8}


def write_images(root: Path) -> dict[str, Path]:
    """Write smooth noise as PNG: degraded images and two methods; gives the folder of each."""
    draw = np.random.default_rng(0)
    folders = folders_of(root)
    for folder in folders.values():
        folder.mkdir()
    for index in range(IMAGES):
        coarse = Image.fromarray(draw.integers(0, 256, (SIDE_PX // 16, SIDE_PX // 16, 3), dtype=np.uint8))
        for name, folder in folders.items():
            side = SIDE_PX // SCALE if name == DEGRADED else SIDE_PX
            coarse.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{index:03d}.png")
    return folders


def folders_of(root: Path) -> dict[str, Path]:
    """Where `write_images` writes."""
    return {name: root / name for name in (DEGRADED, *(f"method_{index}" for index in range(METHODS)))}


def casting(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Autocast to bfloat16, or nothing."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def raw_rate(folders: dict[str, Path], precision: str, device: torch.device) -> float:
    """Files a second of the forward alone, one by one."""
    scorer = irq.load_scorer(SCORER, device=device)
    pairs = [
        tuple(read_image(file)[None].to(device) for file in (path, folders[DEGRADED] / path.name))
        for name, folder in folders.items()
        if name != DEGRADED
        for path in sorted(folder.iterdir())
    ]
    with torch.inference_mode(), casting(precision, device):
        scorer(*pairs[0])
        began = time.perf_counter()
        for restored, degraded in pairs:
            scorer(restored, degraded).item()
    return len(pairs) / (time.perf_counter() - began)


def evaluation_rate(folders: dict[str, Path], out: Path, precision: str, device: torch.device) -> float:
    """Files a second of `irq evaluate`, reading, thumbnails and the log included; NaN but on the first process."""
    methods = {name: folder for name, folder in folders.items() if name != DEGRADED}
    plan = Plan(pair_folders(methods, folders[DEGRADED]), (SCORER,), ())
    with casting(precision, device), evaluate(plan, out, device=str(device), restart=True) as found:
        return found.scored_now / found.seconds if found else float("nan")


def ratio(precision: str, device: torch.device, rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure both in turns, as rates, and the ratio of their medians."""
    with TemporaryDirectory() as folder:
        folders = write_images(Path(folder))
        raw, whole = zip(
            *(
                (
                    raw_rate(folders, precision, device),
                    evaluation_rate(folders, Path(folder) / "out", precision, device),
                )
                for _ in range(rounds)
            ),
            strict=True,
        )
    return {
        "files": IMAGES * METHODS,
        "restored_px": SIDE_PX,
        "scorer": SCORER,
        "raw_forward_files_a_second": [round(rate, 2) for rate in raw],
        "irq_evaluate_files_a_second": [round(rate, 2) for rate in whole],
        "ratio_of_medians": round(statistics.median(whole) / statistics.median(raw), 3),
        "expected": EXPECTED[precision],
    }


def main() -> None:
    """Print the ratio with date, hardware and commit; or the rate of one evaluation alone, of processes together."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation", description=__doc__)
    parser.add_argument("--precision", choices=EXPECTED, default="fp32")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--only", type=Path, metavar="FOLDER", help="evaluate what was written there, and no more")
    given = parser.parse_args()
    if given.only:
        rate = evaluation_rate(folders_of(given.only), given.only / "out", given.precision, given.device)
        if rate == rate:  # on the first process
            print(f"files a second: {rate:.2f}")
        return
    print(json.dumps({**ratio(given.precision, given.device), **provenance()}, indent=1))


if __name__ == "__main__":
    main()
