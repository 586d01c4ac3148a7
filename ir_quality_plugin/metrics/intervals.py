"""How sure a mean is."""

from __future__ import annotations

import numpy as np
from scipy import stats

RESAMPLES = 2000


def mean_interval(values: np.ndarray, confidence: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """The percentile bootstrap interval of a mean; of paired differences, the interval of the mean difference.

    Args:
        values: (N,), one an image.
        confidence: of the two-sided interval, in (0,1).
        seed: of the resampling.

    Returns:
        (low, high) in the values' unit; equal for a single value, which says nothing of noise.
    """
    if len(values) < 2:
        return float(values.mean()), float(values.mean())
    found = stats.bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, confidence_level=confidence, method="percentile", rng=seed
    ).confidence_interval
    return float(found.low), float(found.high)
