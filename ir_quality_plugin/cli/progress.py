"""Progress on the error stream: a bar on a terminal, elsewhere a line every so often."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import typer

EVERY_S = 30.0


def track(work: Sequence[Any], doing: str, unit: str) -> Iterator[Any]:
    """Hand out work, and say how much is done.

    Args:
        work: what is done one by one.
        doing: the participle, as in "probing".
        unit: what there are many of, as in "image".
    """
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(work, desc=doing, unit=unit, leave=False)
        return
    began = said = time.monotonic()
    for done, one in enumerate(work):
        now = time.monotonic()
        if done and now - said >= EVERY_S:
            left = timedelta(seconds=round((now - began) / done * (len(work) - done)))
            typer.echo(f"irq: {doing}, {done} of {len(work)} {unit}s done, about {left} left", err=True)
            said = now
        yield one
