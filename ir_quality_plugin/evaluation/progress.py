"""How far a long run is: a bar on a terminal, a line every so often in the log of a batch system."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
EVERY_S = 30.0


def followed(
    work: Iterable[T], mine: int, total: int, processes: int, say: Callable[[str], None], every_s: float = EVERY_S
) -> Iterator[T]:
    """Show rate and time left of this process's work, scaled to that of all processes.

    Args:
        work: of this process.
        mine: length of it.
        total: of all processes.
        processes: how many there are.
        say: how lines reach the user, where there is no terminal.
        every_s: seconds between two lines.
    """
    began = spoken = time.monotonic()
    with tqdm(total=total, unit="file", desc="scoring", disable=None) as bar:  # None: shown where there is a terminal
        for number, piece in enumerate(work, start=1):
            yield piece
            done = min(number * processes, total) if number < mine else total
            bar.update(done - bar.n if not bar.disable else 0)
            now = time.monotonic()
            if not sys.stderr.isatty() and now - spoken >= every_s and done < total:
                spoken, rate = now, done / (now - began)
                left = tqdm.format_interval((total - done) / rate)
                say(f"scoring: {done} of {total} files, {rate:.3g} a second, {left} left")
