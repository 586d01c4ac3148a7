"""Time of calls, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

Call = Callable[[], object]


@dataclass(frozen=True)
class Clock:
    """How calls are timed.

    Attributes:
        device: that computes; a GPU's own events are the clock there.
        kind: of a CPU: "wall", or "cpu", what this process computed, which other processes do not change much.
        rounds: how often each call is timed.
    """

    device: torch.device
    kind: str = "wall"
    rounds: int = 5

    def seconds(self, call: Call) -> float:
        """Time one call."""
        if self.device.type == "cuda":
            began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            began.record()
            call()
            ended.record()
            ended.synchronize()
            return began.elapsed_time(ended) / 1e3
        read = time.process_time if self.kind == "cpu" else time.perf_counter
        start = read()
        call()
        return read() - start

    def interleaved(
        self, calls: Mapping[str, Call], rounds: int | None = None, warm: bool = False
    ) -> dict[str, dict[str, float]]:
        """Time calls in turns, after one of each that does not count unless they are warm: medians, least and most."""
        for call in () if warm else calls.values():
            call()
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(rounds or self.rounds):
            for name, call in calls.items():
                times[name].append(self.seconds(call))
        return {
            name: {"median_s": statistics.median(taken), "least_s": min(taken), "most_s": max(taken)}
            for name, taken in times.items()
        }
