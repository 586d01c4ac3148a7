"""How sure a mean is."""

from __future__ import annotations

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 2000
# Bounds the memory of resampling: this many counts at once, 32 MB each time that they are held.
CELLS = 4_000_000


def mean_interval(
    values: np.ndarray, confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """The bootstrap interval of one mean; of paired differences, the interval of the mean difference.

    Args:
        values: (N,), one an image.
        confidence: of the two-sided interval, in (0,1).
        resamples: how many.
        seed: of the resampling.

    Returns:
        (low, high) in the values' unit, as `bootstrap_means` has them; equal for a single value, which says nothing of
        noise.
    """
    ((low, high),) = bootstrap_means(np.asarray(values, dtype=np.float64)[:, None], confidence, resamples, seed)
    return float(low), float(high)


def bootstrap_means(
    values: np.ndarray, confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = 0
) -> np.ndarray:
    """Percentile bootstrap intervals of column means; all columns see the same resampled images.

    The percentiles are taken further out for few images, so that a normal sample gets Student's interval.

    Args:
        values: (N,C), a row an image; NaN where there is none, left out of its column.
        confidence: of the two-sided intervals, in (0,1).
        resamples: how many.
        seed: of the resampling.

    Returns:
        (C,2), low and high; NaN for a column without values.

    Source: Hesterberg, What Teachers Should Know About the Bootstrap, 2015: the expanded percentile interval.
    """
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    filled, known = np.where(known, values, 0.0), known.astype(np.float64)
    draw = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    at_once = max(CELLS // max(len(values), 1), 1)
    with np.errstate(invalid="ignore"):
        for start in range(0, resamples, at_once):
            rows = min(at_once, resamples - start)
            times = _times_drawn(draw, rows, len(values))
            means[start : start + rows] = (times @ filled) / (times @ known)
    bounds = np.full((values.shape[1], 2), np.nan)
    for column, (found, count) in enumerate(zip(means.T, counts, strict=True)):
        found = found[np.isfinite(found)]  # a resample may miss all of few known images
        if len(found):
            tail = _tail(int(count), confidence)
            bounds[column] = np.quantile(found, [tail, 1 - tail])
    return bounds


def _times_drawn(draw: np.random.Generator, rows: int, images: int) -> np.ndarray:
    """How often each of N images is in each of R resamples, (R,N); counting is faster than a multinomial."""
    picks = draw.integers(0, images, (rows, images)) + images * np.arange(rows)[:, None]
    return np.bincount(picks.ravel(), minlength=rows * images).reshape(rows, images).astype(np.float64)


def _tail(count: int, confidence: float) -> float:
    """Share of resampled means beyond each end of the interval."""
    if count < 2:
        return 0.0
    return float(stats.norm.cdf(-np.sqrt(count / (count - 1)) * stats.t.ppf((1 + confidence) / 2, count - 1)))
