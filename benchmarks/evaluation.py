"""`irq evaluate` on files beside the raw forward of the same scorer on the same images in memory.

python -m benchmarks.evaluation [--precision bf16] [--scorer ckdn ckdn-s]    # a part of `benchmarks.speed`, alone
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image

from ir_quality_plugin.data.folders import DEGRADED, REFERENCE, RESTORED, pair_folders
from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.evaluation.items import Items
from ir_quality_plugin.evaluation.row_log import RowLog
from ir_quality_plugin.evaluation.run import ROWS, Plan, Session, evaluate, roles_of
from ir_quality_plugin.integrations.metric import Metric, build_metrics

from .provenance import provenance
from .speed.clock import Call, Clock
from .speed.precision import casting

METHODS, SCALE, WORKERS = 2, 4, 2
# Of the noise on the smooth pictures, in units of 8 bits: a PNG then takes as much room as a photograph's.
NOISE_255 = 4
EXPECTED = {"fp32": 0.9, "bf16": 0.8}


@dataclass(frozen=True)
class Case:
    """What is evaluated.

    Attributes:
        scorer: as `irq evaluate --scorer` takes it.
        images: number of images, of two methods each.
        size: height and width in pixels; a multiple of 32.
        rounds: how often it is timed; None for as often as everything.
    """

    scorer: str
    images: int
    size: tuple[int, int]
    rounds: int | None = None


# Full sizes on photographs; and one of the compact scorers on small images, for which reading is as much work as
# scoring.
CASES = {
    "ckdn": Case("ckdn=random", 4, (480, 640)),
    "teacheriqa": Case("teacheriqa=random", 1, (480, 640), rounds=1),  # five seconds a file and core
    "cvrkd": Case("cvrkd=random", 2, (480, 640)),
    "ckdn-s": Case("ckdn-s", 40, (256, 256)),
}
PROCESSES_OF = "ckdn-s"


def write_images(root: Path, case: Case) -> None:
    """Write smooth pictures with noise on them as PNG: clean and degraded images, and two methods'."""
    draw = np.random.default_rng(0)
    height, width = case.size
    for folder in folders_of(root).values():
        folder.mkdir()
    for index in range(case.images):
        coarse = Image.fromarray(draw.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
        for name, folder in folders_of(root).items():
            factor = SCALE if name == DEGRADED else 1
            smooth = np.asarray(coarse.resize((width // factor, height // factor), Image.Resampling.BICUBIC), float)
            pixels = (smooth + draw.normal(0, NOISE_255, smooth.shape)).round().clip(0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index:03d}.png")


def folders_of(root: Path) -> dict[str, Path]:
    """Where `write_images` writes."""
    return {name: root / name for name in (DEGRADED, REFERENCE, *(f"method_{index}" for index in range(METHODS)))}


def plan_of(root: Path, case: Case) -> Plan:
    """The evaluation of what was written there."""
    folders = folders_of(root)
    partners = {name: folders.pop(name) for name in (DEGRADED, REFERENCE)}
    return Plan(pair_folders(folders, partners[DEGRADED], partners[REFERENCE]), (case.scorer,), ())


def raw_forward(metric: Metric, plan: Plan, precision: str, device: torch.device) -> Call:
    """Score the images, which are in memory, one by one, in the order in which `irq evaluate` takes them."""
    roles = [RESTORED, *filter(None, (metric.needs,))]
    items = list(Items(plan.pairing))
    images = {path: read_image(path)[None].to(device) for item in items for path in map(item.files.get, roles) if path}

    def call() -> None:
        with torch.inference_mode(), casting(precision, device):
            for item in items:
                restored, *guide = (images[item.files[role]] for role in roles)
                metric(restored, **dict(zip(roles[1:], guide, strict=True))).item()

    return call


def scoring(metric: Metric, plan: Plan, out: Path, precision: str, device: torch.device) -> Call:
    """What `irq evaluate` does once its scorer is loaded: read, score, make thumbnails, log."""
    roles = roles_of(plan, [metric])

    def call() -> None:
        log = RowLog(out / ROWS, {})
        log.prepare(restart=True)
        session = Session(plan, [metric], roles, log, log.next_session(), WORKERS, device, process=0, processes=1)
        with casting(precision, device):
            session.score(Items(plan.pairing), say=lambda line: None)

    return call


def ratio(name: str, precision: str, clock: Clock) -> dict[str, Any]:
    """Time both in turns, with one scorer, after a forward that does not count."""
    case = CASES[name]
    with TemporaryDirectory() as folder:
        root = Path(folder)
        write_images(root, case)
        plan = plan_of(root, case)
        (metric,) = build_metrics(plan.scorers, (), clock.device).values()
        calls = {
            "raw forward": raw_forward(metric, plan, precision, clock.device),
            "irq evaluate": scoring(metric, plan, root / "out", precision, clock.device),
        }
        calls["raw forward"]()
        times = clock.interleaved(calls, case.rounds, warm=True)
        written = sum(path.stat().st_size for path in (root / "method_0").iterdir())
    return {
        "files": case.images * METHODS,
        "rounds": case.rounds or clock.rounds,
        "size_px": case.size,
        "bytes_a_file": written // case.images,
        "seconds": times,
        "ratio": times["raw forward"]["median_s"] / times["irq evaluate"]["median_s"],
        "expected": EXPECTED[precision],
    }


def rate_of_processes(root: Path, device: torch.device) -> float:
    """Files a second of `irq evaluate` on what was written there; NaN but on the first process."""
    with evaluate(plan_of(root, CASES[PROCESSES_OF]), root / "out", device=str(device), restart=True) as found:
        return found.scored_now / found.seconds if found else float("nan")


def main() -> None:
    """Print the ratios with date, hardware and commit; or the rate of one evaluation alone, of processes together."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation", description=__doc__, formatter_class=form)
    parser.add_argument("--scorer", nargs="+", choices=CASES, default=list(CASES), metavar="NAME", help=str([*CASES]))
    parser.add_argument("--precision", choices=EXPECTED, default="fp32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: what this process computed")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--only", type=Path, metavar="FOLDER", help="evaluate what was written there, and no more")
    given = parser.parse_args()
    if given.only:
        rate = rate_of_processes(given.only, given.device)
        if rate == rate:  # on the first process
            print(f"files a second: {rate:.2f}")
        return
    torch.set_num_threads(given.threads)
    clock = Clock(given.device, given.clock, given.rounds)
    found = {name: ratio(name, given.precision, clock) for name in given.scorer}
    print(json.dumps({**found, **provenance()}, indent=1))


if __name__ == "__main__":
    main()
