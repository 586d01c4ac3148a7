"""Time, memory and the machine's floor."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

Call = Callable[[], object]
MATRIX_SIDE = 2048


def seconds(call: Call, clock: str, device: torch.device) -> float:
    """Time one call: by the wall, or by what the process computed, which other processes do not change much."""
    read = time.process_time if clock == "cpu" else time.perf_counter
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = read()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return read() - began


def interleaved(calls: dict[str, Call], rounds: int, clock: str, device: torch.device) -> dict[str, dict[str, float]]:
    """Time calls in turns, after one of each that does not count: medians, least and largest."""
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(seconds(call, clock, device))
    return {
        name: {"median_s": statistics.median(taken), "least_s": min(taken), "most_s": max(taken)}
        for name, taken in times.items()
    }


def operations(work: Call) -> int:
    """Floating point operations of matrix products and convolutions; a multiplication and an addition are two."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


@torch.inference_mode()
def floor(rounds: int, clock: str, device: torch.device) -> dict[str, dict[str, float]]:
    """Operations a second of a 2048-cube matrix product, and of a 3x3 convolution of 128 channels, by precision.

    The better of the two is the floor: on some processors the library of matrix products is the slower one.
    """
    found: dict[str, dict[str, float]] = {}
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        matrix = torch.randn(MATRIX_SIDE, MATRIX_SIDE, device=device).to(dtype)
        features = torch.randn(8, 128, 36, 36, device=device).to(dtype).to(memory_format=torch.channels_last)
        weight = torch.randn(128, 128, 3, 3, device=device).to(dtype).to(memory_format=torch.channels_last)
        calls = {"matrix": _product(matrix), "convolution": _convolution(features, weight)}
        taken = interleaved(calls, rounds, clock, device)
        found[precision] = {name: operations(call) / taken[name]["least_s"] for name, call in calls.items()}
    return found


def _product(matrix: Tensor) -> Call:
    return lambda: matrix @ matrix


def _convolution(features: Tensor, weight: Tensor) -> Call:
    return lambda: functional.conv2d(features, weight, padding=1)


def peak_memory(call: Call, device: torch.device) -> int:
    """Bytes that a call, and the same again, take at most above what the process held before."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        held = torch.cuda.memory_allocated(device)
        call(), call()
        return torch.cuda.max_memory_allocated(device) - held
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of building the networks
    held = _status("VmRSS")
    call(), call()
    return max(_status("VmHWM") - held, 0)


def _status(entry: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(entry))
    return int(line.split()[1]) * 1024
