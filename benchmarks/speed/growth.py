"""How cost grows: with the batch, the image's side, the number of references, and the number of processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

import ir_quality_plugin as irq

from ..evaluation import CASES, PROCESSES_OF, write_images
from .clock import Clock
from .rows import METHODS, images

BATCHES, SIDES_PX, REFERENCES, PROCESSES = (1, 2, 4, 8, 16), (64, 128, 256, 512, 1024), (1, 2, 4, 8, 16), (1, 2)
SIDE_PX, ROUNDS = 256, 3
# By name, what is on the horizontal axis.
GROWTH = {
    "batch": "images of 256 px in a batch",
    "side": "side of one image, px",
    "references": "different references, images of 256 px",
    "processes": "processes of irq evaluate",
}


def growth(name: str, clock: Clock) -> dict[str, Any]:
    """Measure one plot: values of the horizontal axis, and a line of figures for each thing that is compared."""
    return {"batch": with_batch, "side": with_side, "references": with_references, "processes": with_processes}[name](
        clock
    )


def _timed(lengths: tuple[int, ...], calls: dict[str, dict[int, Any]], clock: Clock) -> dict[str, Any]:
    flat = {f"{line} {length}": call for line, by_length in calls.items() for length, call in by_length.items()}
    with torch.inference_mode():
        times = clock.interleaved(flat, ROUNDS)
    lines = {line: [times[f"{line} {length}"]["median_s"] for length in lengths] for line in calls}
    return {"at": list(lengths), "unit": "seconds a call", "lines": lines}


def _scoring(method: str, count: int, side_px: int, clock: Clock) -> Any:
    scorer = irq.load_scorer(f"{method}-s").to(clock.device)
    restored, guide = (images(count, side_px, side_px, seed).to(clock.device) for seed in (1, 2))
    return lambda: scorer(restored, degraded=guide, reference=guide)


def with_batch(clock: Clock) -> dict[str, Any]:
    """Seconds of a call by the number of images."""
    calls = {f"{method}-s": {n: _scoring(method, n, SIDE_PX, clock) for n in BATCHES} for method in METHODS}
    return _timed(BATCHES, calls, clock)


def with_side(clock: Clock) -> dict[str, Any]:
    """Seconds of a call by the side of a square image."""
    calls = {f"{method}-s": {side: _scoring(method, 1, side, clock) for side in SIDES_PX} for method in METHODS}
    return _timed(SIDES_PX, calls, clock)


def with_references(clock: Clock) -> dict[str, Any]:
    """Seconds of one image against so many references, one after the other: new ones, and ones seen before."""
    restored = images(1, SIDE_PX, SIDE_PX, 1).to(clock.device)
    bank = images(max(REFERENCES), SIDE_PX, SIDE_PX, 2).to(clock.device).split(1)

    def against(count: int, remembers: bool) -> Any:
        scorer = irq.load_scorer("cvrkd-s").to(clock.device)

        def call() -> None:
            if not remembers:
                scorer._remembered = scorer.__getstate__()["_remembered"]
            for reference in bank[:count]:
                scorer(restored, reference=reference)

        return call

    kinds = {"cvrkd-s, new references": False, "cvrkd-s, seen before": True}
    calls = {line: {count: against(count, seen) for count in REFERENCES} for line, seen in kinds.items()}
    return _timed(REFERENCES, calls, clock)


def with_processes(clock: Clock) -> dict[str, Any]:
    """Files a second of `irq evaluate` by the number of processes, one thread each."""
    rates = []
    with TemporaryDirectory() as folder:
        write_images(Path(folder), CASES[PROCESSES_OF])
        for count in PROCESSES:
            rates.append(_evaluated(Path(folder), count))
    return {"at": list(PROCESSES), "unit": "files a second", "lines": {"ckdn-s, one thread a process": rates}}


def _evaluated(folder: Path, processes: int) -> float:
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)),
        *("-m", "benchmarks.evaluation", "--only", str(folder)),
    ]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}  # or two processes would fight for the cores
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=alone).stdout
    found = re.search(r"^files a second: ([\d.]+)$", printed, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"no rate in what the evaluation printed: {printed!r}")
    return float(found[1])
