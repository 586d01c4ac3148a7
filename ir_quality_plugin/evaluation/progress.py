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
    work: Iterable[T],
    mine: int,
    say: Callable[[str], None],
    total: int | None = None,
    processes: int = 1,
    doing: str = "scoring",
    unit: str = "file",
) -> Iterator[T]:
    """Show rate and time left of this process's work, scaled to that of all processes.

    Args:
        work: of this process.
        mine: length of it.
        say: how lines reach the user, where there is no terminal.
        total: of all processes; None where there is one.
        processes: how many there are.
        doing: the participle.
        unit: what there are many of.
    """
    total = mine if total is None else total
    began = spoken = time.monotonic()
    with tqdm(total=total, unit=unit, desc=doing, disable=None) as bar:  # None: shown where there is a terminal
        for number, piece in enumerate(work, start=1):
            yield piece
            done = min(number * processes, total) if number < mine else total
            bar.update(done - bar.n if not bar.disable else 0)
            now = time.monotonic()
            if not sys.stderr.isatty() and now - spoken >= EVERY_S and done < total:
                spoken, rate = now, done / (now - began)
                left = tqdm.format_interval((total - done) / rate)
                say(f"{doing}: {done} of {total} {unit}s, {rate:.3g} a second, {left} left")
