"""Memory, files, threads and step time over hours: a training without end, and an evaluation of a million rows.

    python benchmarks/soak.py train --minutes 180 --out /tmp/soak_train
    python benchmarks/soak.py evaluate --rows 1000000 --out /tmp/soak_evaluate

What is watched runs in a process of its own, as a user starts it. A line of OUT/readings.jsonl says once a minute what
it and its children hold; both go on where they were stopped, called the same way again. At the end, OUT/soak.svg and
OUT/verdict.json: how memory moved, by the hour, with an interval (Theil and Sen), and the exit code 1 where it was not
flat, or above the limit. `plot --out OUT` draws what is there so far.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image
from provenance import provenance
from scipy import stats

from ir_quality_plugin.checkpoints.write import whole

ROOT = Path(__file__).parents[1]
MEBI = 2**20
# A row is one restored file; hard links of a few pictures, since a million of them need no more.
PICTURES, SIDE_PX, METHODS = 100, 32, ("one", "two")
# A slope below this share of the memory an hour would take days to matter.
FLAT_SHARE = 0.01
LIMIT_MIB = {"train": 4096, "evaluate": 2048}
# The first readings are of a process that still loads, and fills its caches.
WARM_UP_SHARE = 0.1


def main(given: argparse.Namespace) -> int:
    """Run what was asked for, and judge it."""
    given.out.mkdir(parents=True, exist_ok=True)
    readings = given.out / "readings.jsonl"
    if given.what != "plot":
        record = {"train": training, "evaluate": evaluation}[given.what](given)
        code = watch(*record, readings, given.every, given.minutes * 60)
        print(f"{given.what} ended with {code}", flush=True)
    return judged(given.out)


def training(given: argparse.Namespace) -> tuple[list[str], Callable[[], int]]:
    """A training of a compact recipe, and how many steps it has made."""
    words = [
        "train.total_iter=100000000", "logger.print_freq=50", "logger.save_checkpoint_freq=2000",
        "logger.keep_states=2", "val.val_freq=2000", "datasets.train.num_worker_per_gpu=1",
    ]  # fmt: skip
    command = [sys.executable, "-m", "ir_quality_plugin.train", "-opt", str(given.recipe), "--root", str(given.out)]
    log = Tail(lambda: given.out.glob("experiments/*/log.jsonl"))

    def steps() -> int:
        found = [json.loads(line).get("iter", 0) for line in log.lines()]
        log.last = max([log.last, *found])
        return log.last

    return [*command, *(word for one in words for word in ("--set", one)), "--auto_resume"], steps


def evaluation(given: argparse.Namespace) -> tuple[list[str], Callable[[], int]]:
    """`irq evaluate` over many small images, and how many rows it has logged."""
    make_images(given.out / "images", given.rows // len(METHODS))
    command = [sys.executable, "-m", "ir_quality_plugin", "evaluate", "--out", str(given.out / "result")]
    for method in METHODS:
        command += ["--restored", f"{method}={given.out / 'images' / method}"]
    command += ["--reference", str(given.out / "images" / "reference"), "--pyiqa", "psnr"]
    log = Tail(lambda: given.out.glob("result/rows/*.jsonl"))

    def rows() -> int:
        log.last += len(log.lines())
        return log.last

    return command, rows


def make_images(folder: Path, count: int) -> None:
    """Write a few pictures, and link them under as many names as there are to be images."""
    draw = np.random.default_rng(0)
    for kind in ("reference", *METHODS):
        (folder / "made").mkdir(parents=True, exist_ok=True)
        (folder / kind).mkdir(exist_ok=True)
        sources = [folder / "made" / f"{kind}_{index}.png" for index in range(PICTURES)]
        for source in sources:
            if not source.is_file():
                pixels = draw.integers(0, 256, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(source)
        there = {entry.name for entry in os.scandir(folder / kind)}
        for index in range(count):
            name = f"im{index:07d}.png"
            if name not in there:
                link(sources, index, folder / kind / name)


def link(sources: list[Path], index: int, place: Path) -> None:
    """Link one of the pictures; where a file has as many names as its disk allows, a copy takes its place."""
    source = sources[index % len(sources)]
    try:
        os.link(source, place)
    except OSError:
        place.write_bytes(source.read_bytes())
        sources[index % len(sources)] = place


class Tail:
    """The lines that were added to some files since the last look.

    Args:
        files: which.
    """

    def __init__(self, files: Callable[[], Any]) -> None:
        self.files, self.places, self.last = files, dict[Path, int](), 0

    def lines(self) -> list[str]:
        """Whole lines; one that is being written waits for the next look."""
        found: list[str] = []
        for path in self.files():
            with path.open("rb") as file:
                file.seek(self.places.get(path, 0))
                added = file.read()
            end = added.rfind(b"\n") + 1
            self.places[path] = self.places.get(path, 0) + end
            found += added[:end].decode().splitlines()
        return found


def watch(command: list[str], progress: Callable[[], int], readings: Path, every_s: float, most_s: float) -> int:
    """Run a command, and write what it holds every so often; after the time is over, stop it as a scheduler does."""
    before = [json.loads(line) for line in readings.read_text().splitlines()] if readings.is_file() else []
    spent, session = (before[-1]["seconds"], before[-1]["session"] + 1) if before else (0.0, 0)
    began = time.monotonic()
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    with (readings.parent / "output.txt").open("a") as said:
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said, env=environment)
        try:
            done, last = progress(), time.monotonic()
            while process.poll() is None and spent + time.monotonic() - began < most_s:
                time.sleep(min(every_s, 1) if process.poll() is None else 0)
                if time.monotonic() - last < every_s or process.poll() is not None:
                    continue
                step, now = progress(), time.monotonic()
                entry = {"session": session, "seconds": round(spent + now - began, 1), "steps": step}
                entry |= held(psutil.Process(process.pid))
                entry["step_ms"] = round(1000 * (now - last) / (step - done), 3) if step > done else None
                with readings.open("a") as file:
                    file.write(json.dumps(entry) + "\n")
                done, last = step, now
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            code = process.wait(300)
    return code


def held(process: psutil.Process) -> dict[str, Any]:
    """What a process and its children hold together; one that ends meanwhile holds nothing."""
    total = {"rss_mib": 0.0, "peak_mib": 0.0, "files": 0, "threads": 0, "processes": 0}
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return total
    for one in family:
        try:
            with one.oneshot():
                found = (one.memory_info().rss / MEBI, _peak(one.pid), one.num_fds(), one.num_threads(), 1)
        except (psutil.NoSuchProcess, FileNotFoundError):
            continue
        total = {name: round(value + more, 1) for (name, value), more in zip(total.items(), found, strict=True)}
    return total


def _peak(pid: int) -> float:
    """The most memory that a process has held, in MiB; what lies between two looks counts too."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def judged(out: Path) -> int:
    """Draw the readings, and say whether they are flat."""
    readings = [json.loads(line) for line in (out / "readings.jsonl").read_text().splitlines()]
    kind = "evaluate" if (out / "images").is_dir() else "train"
    working = [entry for entry in readings if entry["step_ms"] is not None]
    settled = working[int(len(working) * WARM_UP_SHARE) :]
    document = {
        "kind": kind,
        "hours": round(readings[-1]["seconds"] / 3600, 3),
        "steps": readings[-1]["steps"],
        "peak_mib": max(entry["peak_mib"] for entry in readings),
        "limit_mib": LIMIT_MIB[kind],
        "readings": {name: slope(settled, name) for name in ("rss_mib", "files", "threads", "step_ms")},
        **provenance(),
    }
    memory = document["readings"]["rss_mib"]
    flat = memory["interval_an_hour"][0] <= 0 or memory["an_hour"] <= FLAT_SHARE * memory["median"]
    document["flat"] = bool(flat and document["peak_mib"] <= document["limit_mib"])
    with whole(out / "verdict.json") as path:
        path.write_text(json.dumps(document, indent=1) + "\n")
    draw(readings, document, out / "soak.svg")
    print(json.dumps(document, indent=1))
    return 0 if document["flat"] else 1


def slope(readings: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The median, and the change an hour with its 95 % interval, of what does not depend on a few odd readings."""
    hours = np.array([entry["seconds"] / 3600 for entry in readings])
    values = np.array([entry[name] for entry in readings], dtype=float)
    if len(values) < 3:
        return {"median": float(np.median(values)) if len(values) else None, "an_hour": 0.0, "interval_an_hour": [0, 0]}
    found = stats.theilslopes(values, hours, 0.95)
    return {
        "median": round(float(np.median(values)), 3),
        "an_hour": round(float(found.slope), 3),
        "interval_an_hour": [round(float(found.low_slope), 3), round(float(found.high_slope), 3)],
    }


def draw(readings: list[dict[str, Any]], document: dict[str, Any], path: Path) -> None:
    """Four curves over time, one below the other."""
    import matplotlib
    from matplotlib.figure import Figure

    titles = {"rss_mib": "memory, MiB", "files": "open files", "threads": "threads", "step_ms": "a step, ms"}
    with matplotlib.rc_context(
        {"svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure = Figure(figsize=(7, 6.4), layout="constrained")
        for axes, (name, title) in zip(figure.subplots(4, 1, sharex=True), titles.items(), strict=True):
            known = [entry for entry in readings if entry[name] is not None]
            axes.plot([entry["seconds"] / 3600 for entry in known], [entry[name] for entry in known], color="#0b6e99")
            found = document["readings"][name]
            low, high = found["interval_an_hour"]
            axes.set_title(
                f"{title}: {found['an_hour']:+.3g} an hour [{low:+.3g}, {high:+.3g}]", loc="left", fontsize=9
            )
            axes.set_ylim(0, 1.1 * max([entry[name] for entry in known], default=1))
            for first, second in pairwise(readings):
                if first["session"] != second["session"]:
                    axes.axvline(second["seconds"] / 3600, color="#999999", linewidth=0.6, linestyle=":")
        axes.set_xlabel(f"hours; {document['steps']:,} {'rows' if document['kind'] == 'evaluate' else 'steps'}")
        with whole(path) as unfinished:
            figure.savefig(unfinished, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "evaluate", "plot"])
    parser.add_argument("--out", type=Path, required=True, help="Folder of the run and its readings.")
    parser.add_argument("--minutes", type=float, default=180, help="After which it is stopped, all sessions together.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="Restored files of an evaluation.")
    parser.add_argument("--every", type=float, default=60, help="Seconds from one reading to the next.")
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes/smoke/sr_x4_ckdn.yml")
    sys.exit(main(parser.parse_args()))
