"""What several tests together may claim."""

from __future__ import annotations

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
