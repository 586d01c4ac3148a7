"""Measure speed and memory, and write the figures, pictures and a table.

python -m benchmarks.speed --out benchmarks/results/speed.json
python -m benchmarks.speed --threads 1 --clock cpu --out ...     # on a machine that others use too
python -m benchmarks.speed --device cuda --out ...               # milliseconds of a GPU

A run that was stopped goes on where it was when it is called again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ir_quality_plugin.checkpoints.write import whole

from .. import evaluation
from ..provenance import provenance
from .agreement import SCORERS, agreement
from .clock import Clock
from .compact import compact_ratio
from .floor import asked_of, floor
from .growth import GROWTH, growth
from .large import COMMANDS, COMPACT, large_image, small_image
from .memory import peak_memory
from .pictures import draw_bars, draw_growth
from .precision import PRECISIONS
from .ratios import error
from .rows import METHODS, ROWS
from .steps import STEPS, training_step
from .table import markdown
from .unfinished import Unfinished, state_of_sources

PARTS = ("rows", "memory", "compact", "agreement", "evaluation", "growth", "large", "steps")
# Of the others, processes and memory of a machine are measured, which no GPU changes.
ON_CUDA = ("rows", "memory", "compact", "agreement", "steps")
# What the measured calls keep running beside their threads: readers of files, and this process while it waits.
OWN_LOAD = 1.0
SIDES = ("peer fp32", "ours fp32", "ours bf16")


class Step(NamedTuple):
    """One measurement: its place in the result, and what takes it."""

    part: str
    name: str
    measure: Callable[[], Any]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="where the JSON goes; a .md and two .svg stand beside it")
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="only these")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: what this process computed")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--photographs", type=Path, help="a folder, in the place of those that `irq demo` takes")
    parser.add_argument("--full", action="store_true", help="8K images by the full sizes too: ten minutes more")
    parser.add_argument("--memory-of", nargs=3, metavar=("ROW", "SIDE", "PRECISION"), help=argparse.SUPPRESS)
    return parser.parse_args()


def steps(options: argparse.Namespace) -> Iterator[Step]:
    """All measurements in their order."""
    clock, device = Clock(options.device, options.clock, options.rounds), options.device
    yield Step("floor", "rates", lambda: floor(clock))
    for name in ROWS:
        yield Step("rows", name, lambda name=name: measure_row(name, clock))
    for name in ROWS:
        for side in SIDES:
            yield Step("memory", f"{name} {side}", lambda name=name, side=side: memory_apart(name, side, options))
    for method in METHODS:
        yield Step("compact", method, lambda method=method: compact_ratio(method, clock))
    for name in SCORERS:
        yield Step("agreement", name, lambda name=name: agreement(name, options.photographs, device))
    for scorer in evaluation.CASES:
        for precision in PRECISIONS:
            name = f"{scorer} {precision}"
            yield Step("evaluation", name, lambda name=name: evaluation.ratio(*name.split(), clock))
    for name in GROWTH:
        yield Step("growth", name, lambda name=name: growth(name, clock))
    for command in COMMANDS:
        for scorer in (*COMPACT, *(METHODS if options.full else ())):
            name = f"{command} {scorer}"
            yield Step("large", name, lambda name=name: large_image(*name.split()))
        yield Step("large", f"{command} small", lambda command=command: small_image(command))
    for network in STEPS:
        yield Step("steps", network, lambda network=network: training_step(network, clock))


def measure_row(name: str, clock: Clock) -> dict[str, Any]:
    """Time the peer, and ours in both precisions, in turns."""
    row = ROWS[name]
    calls = {side: row.build(*side.split(), clock.device) for side in SIDES}
    found = {side: call() for side, call in calls.items()}
    return {
        "name": row.name,
        "peer": row.peer,
        "expected": row.expected,
        "expected_memory": row.memory,
        "largest_difference_fp32": float((found["peer fp32"] - found["ours fp32"]).abs().max()),
        "largest_value_fp32": float(found["peer fp32"].abs().max()),
        "gradient": row.gradient,
        "error": {precision: error(found[f"ours {precision}"], found["peer fp32"]) for precision in PRECISIONS},
        **asked_of(row.work),
        "seconds": clock.interleaved(calls, warm=True),
    }


def memory_apart(name: str, side: str, options: argparse.Namespace) -> dict[str, int]:
    """Take the peak memory of one side in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.speed", "--memory-of", name, *side.split()]
    command += ["--threads", str(options.threads), "--device", str(options.device)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(printed.splitlines()[-1])


def machine(options: argparse.Namespace) -> dict[str, Any]:
    """Date, hardware, commit and how busy the machine was."""
    found = provenance()
    if options.device.type == "cuda":
        found["hardware"] = torch.cuda.get_device_name(options.device)
    return found | {
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": options.device.type,
        "clock": options.clock,
        "shared": found["load_average"] > options.threads,
        "rounds": options.rounds,
    }


def settings(options: argparse.Namespace, here: dict[str, Any]) -> dict[str, str]:
    """What figures depend on; a run that was stopped goes on with the same alone, on the same kind of machine."""
    chosen = {name: str(getattr(options, name)) for name in ("threads", "clock", "device", "rounds", "photographs")}
    found = {name: str(here[name]) for name in ("hardware", "instructions", "cores", "torch")}
    return chosen | found | {"sources": state_of_sources()}


def main() -> None:
    """Measure what is asked for and not there yet, and write it."""
    options = arguments()
    torch.set_num_threads(options.threads)
    if options.memory_of:
        name, side, precision = options.memory_of
        print(json.dumps(peak_memory(ROWS[name].build(side, precision, options.device), options.device)))
        return
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # of commands that are measured whole
    here = machine(options)
    unfinished = Unfinished(options.out, settings(options, here))
    unfinished.begin(here)
    parts = options.parts or (PARTS if options.device.type == "cpu" else ON_CUDA)
    asked = [step for step in steps(options) if step.part in ("floor", *parts)]
    for place, step in enumerate(asked, start=1):
        print(f"{place} of {len(asked)}: {step.part}, {step.name}", end="", file=sys.stderr, flush=True)
        if unfinished.has(step.part, step.name):
            print(": was measured before", file=sys.stderr)
            continue
        began = time.perf_counter()
        figures = step.measure()
        seconds = time.perf_counter() - began
        unfinished.spend(step.part, seconds, round(os.getloadavg()[0], 1), options.threads + OWN_LOAD)
        unfinished.add(step.part, step.name, figures)
        print(f": {seconds:.0f} s", file=sys.stderr)
    keep(unfinished.result, options.out)
    unfinished.finish()
    print(markdown(unfinished.result))


def keep(result: dict[str, Any], out: Path | None) -> None:
    """Write the figures, the table and the pictures."""
    if out is None:
        return
    with whole(out) as path:
        path.write_text(json.dumps(result, indent=1) + "\n")
    with whole(out.with_suffix(".md")) as path:
        path.write_text(markdown(result))
    if "rows" in result:
        draw_bars(result, out.with_suffix(".svg"))
    if "growth" in result:
        draw_growth(result["growth"], out.with_name(f"{out.stem}_growth.svg"))


if __name__ == "__main__":
    main()
