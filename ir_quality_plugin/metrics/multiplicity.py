"""What several tests together may claim."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np


def holm(p: np.ndarray) -> np.ndarray:
    """Correct p-values for their number, so that all of them together are wrong as rarely as one; NaN stays NaN.

    Args:
        p: (P,) in [0,1].

    Returns:
        (P,) in [0,1]: the largest of (number left) times p over it and all smaller ones.
    """
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known])]
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


class Compared(Protocol):
    """Two that were compared."""

    @property
    def first(self) -> str:
        """Name of one."""

    @property
    def second(self) -> str:
        """Name of the other."""

    @property
    def better(self) -> str | None:
        """Name of the one that is surely better; None where neither is."""


def ranks_of(names: Iterable[str], pairs: Iterable[Compared]) -> dict[str, int]:
    """Rank by pairs: one more than the number of those that are surely better, so that ties share a rank.

    Args:
        names: of what is ranked.
        pairs: every two of them.
    """
    beaten = [pair.second if pair.better == pair.first else pair.first for pair in pairs if pair.better is not None]
    return {name: 1 + beaten.count(name) for name in names}
