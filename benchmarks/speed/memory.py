"""Memory: of a call in this process, and of a whole command."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from .clock import Call

# Runs a module as `python -m` does, and says at its end what it held at most.
WATCHED = """
import atexit, pathlib, runpy, sys
atexit.register(lambda: sys.stderr.write(pathlib.Path("/proc/self/status").read_text()))
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def peak_memory(call: Call, device: torch.device) -> dict[str, int]:
    """Bytes that a call takes at most above what the process held before.

    Returns:
        "first" of the first call, with what it leaves behind (weights laid out, references remembered), and "later"
        of the call after it.
    """
    taken = _on_gpu if device.type == "cuda" else _resident
    return {name: taken(call, device) for name in ("first", "later")}


def _on_gpu(call: Call, device: torch.device) -> int:
    torch.cuda.reset_peak_memory_stats(device)
    held = torch.cuda.memory_allocated(device)
    call()
    return torch.cuda.max_memory_allocated(device) - held


def _resident(call: Call, device: torch.device) -> int:
    ctypes.CDLL(None).malloc_trim(0)  # or what was freed before would count as held
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of building the networks
    held = _status("VmRSS")
    call()
    return max(_status("VmHWM") - held, 0)


def _status(entry: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(entry))
    return int(line.split()[1]) * 1024


def peak_of_command(arguments: Sequence[str]) -> int:
    """Bytes that `python -m ARGUMENTS` holds at most.

    It is asked from within: what the system says of a child that has ended begins with its parent's memory.

    Raises:
        CalledProcessError: it failed; with what it printed.
    """
    done = subprocess.run([sys.executable, "-c", WATCHED, *arguments], capture_output=True, text=True, check=False)
    found = re.findall(r"^VmHWM:\s+(\d+) kB", done.stderr, re.MULTILINE)
    if done.returncode or not found:
        raise subprocess.CalledProcessError(done.returncode, done.args, done.stdout, done.stderr)
    return int(found[-1]) * 1024
