"""Measure, and write the figures, a picture and a table.

python -m benchmarks.speed --out benchmarks/results/speed.json
python -m benchmarks.speed --threads 1 --clock cpu --out ...     # on a machine that others use too
python -m benchmarks.speed --device cuda --out ...               # milliseconds of a GPU
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ..provenance import provenance
from .agreement import METHODS, agreement
from .clock import floor, interleaved, operations, peak_memory
from .compact import compact_ratios
from .rows import ROWS
from .table import draw, markdown


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--out", type=Path, help="where the JSON goes; a .md and a .svg stand beside it")
    parser.add_argument("--add", action="store_true", help="keep what --out holds of other rows")
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=list(ROWS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: what this process computed")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--photographs", type=Path, default=Path("recipes/smoke/photographs"))
    parser.add_argument("--agreement", nargs="+", choices=METHODS, default=METHODS, help="methods to rank in bf16")
    parser.add_argument("--skip", nargs="*", choices=("agreement", "compact", "memory"), default=[])
    parser.add_argument("--memory-of", nargs=3, metavar=("ROW", "SIDE", "PRECISION"), help=argparse.SUPPRESS)
    return parser.parse_args()


def measure_row(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Time both sides in both precisions in turns, and take the peak memory of each in a process of its own."""
    row = ROWS[name]
    sides = [("peer", "fp32"), ("ours", "fp32"), ("ours", "bf16"), ("peer", "bf16")]
    calls = {f"{side} {precision}": row.build(side, precision, options.device) for side, precision in sides}
    difference = float((calls["peer fp32"]() - calls["ours fp32"]()).abs().max())
    found: dict[str, Any] = {
        "name": row.name,
        "peer": row.peer,
        "expected": row.expected,
        "expected_memory": row.memory,
        "largest_difference_fp32": difference,
        "operations": operations(row.work),
        "seconds": interleaved(calls, options.rounds, options.clock, options.device),
    }
    if "memory" not in options.skip:
        found["peak_bytes"] = {
            f"{side} {precision}": _memory_apart(name, side, precision, options) for side, precision in sides
        }
    return found


def _memory_apart(name: str, side: str, precision: str, options: argparse.Namespace) -> int:
    command = [sys.executable, "-m", "benchmarks.speed", "--memory-of", name, side, precision]
    command += ["--threads", str(options.threads), "--device", str(options.device)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def machine(options: argparse.Namespace) -> dict[str, Any]:
    """Date, hardware, commit and how busy the machine was."""
    found = provenance()
    if options.device.type == "cuda":
        found["hardware"] = torch.cuda.get_device_name(options.device)
    return found | {
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "clock": options.clock,
        "shared": found["load_average"] > options.threads,
        "rounds": options.rounds,
    }


def main() -> None:
    """Measure everything, and write it."""
    options = arguments()
    torch.set_num_threads(options.threads)
    if options.memory_of:
        name, side, precision = options.memory_of
        print(peak_memory(ROWS[name].build(side, precision, options.device), options.device))
        return
    result: dict[str, Any] = {"rows": {}}
    if options.add and options.out and options.out.is_file():
        result = json.loads(options.out.read_text())
    result |= {"machine": machine(options), "floor": floor(9, options.clock, options.device)}
    for name in tqdm(options.rows, disable=not sys.stderr.isatty()):
        result["rows"][name] = measure_row(name, options)
        keep(result, options.out)
    if "compact" not in options.skip:
        result["compact"] = compact_ratios(options.rounds, options.clock, options.device)
    if "agreement" not in options.skip:
        result["agreement"] = agreement(options.photographs, options.agreement, options.device)
    keep(result, options.out)
    print(markdown(result))


def keep(result: dict[str, Any], out: Path | None) -> None:
    """Write the figures so far, the table and the picture."""
    if out is None:
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
    out.with_suffix(".md").write_text(markdown(result))
    draw(result, out.with_suffix(".svg"))


if __name__ == "__main__":
    main()
