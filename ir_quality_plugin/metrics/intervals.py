"""How sure a mean is."""

from __future__ import annotations

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 2000
# Bounds the memory of resampling: this many counts at once, 32 MB each time that they are held.
CELLS = 4_000_000
# From here on the means of resamples are normal, to less than the noise of 2,000 of them, which would take minutes.
MANY = 20_000


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
    values: np.ndarray, confidence: float = CONFIDENCE, resamples: int = RESAMPLES, seed: int = 0, least: int = 1
) -> np.ndarray:
    """Percentile bootstrap intervals of column means.

    A column draws from its own images alone: what others have scores of does not move its interval. Columns of as many
    images see the same resamples, drawn once; of more than `MANY` images the limit of many resamples is taken. The
    percentiles are taken further out for few images, so that a normal sample gets Student's interval.

    Args:
        values: (N,C), a row an image; NaN where there is none, left out of its column.
        confidence: of the two-sided intervals, in (0,1).
        resamples: how many.
        seed: of the resampling.
        least: values that it takes for an interval.

    Returns:
        (C,2), low and high; NaN for a column of fewer values.

    Source: Hesterberg, What Teachers Should Know About the Bootstrap, 2015: the expanded percentile interval.
    """
    bounds = np.full((values.shape[1], 2), np.nan)
    known = np.isfinite(values)
    counts = known.sum(axis=0)
    for count in np.unique(counts[counts >= max(least, 1)]):
        columns, tail = np.flatnonzero(counts == count), _tail(int(count), confidence)
        own = np.stack([values[known[:, column], column] for column in columns], axis=1)
        if count > MANY:
            half = -stats.norm.ppf(tail) * own.std(axis=0) / np.sqrt(count)
            bounds[columns] = np.stack([own.mean(axis=0) - half, own.mean(axis=0) + half], axis=1)
            continue
        means = _resampled_means(own, resamples, np.random.default_rng(seed))
        bounds[columns] = np.quantile(means, [tail, 1 - tail], axis=0).T
    return bounds


def _resampled_means(values: np.ndarray, resamples: int, draw: np.random.Generator) -> np.ndarray:
    """The column means (R,C) of R resamples of rows of (N,C)."""
    at_once = max(CELLS // len(values), 1)
    times = (_times_drawn(draw, min(at_once, resamples - start), len(values)) for start in range(0, resamples, at_once))
    return np.concatenate([drawn @ values for drawn in times]) / len(values)


def _times_drawn(draw: np.random.Generator, rows: int, images: int) -> np.ndarray:
    """How often each of N images is in each of R resamples, (R,N); counting is faster than a multinomial."""
    picks = draw.integers(0, images, (rows, images)) + images * np.arange(rows)[:, None]
    return np.bincount(picks.ravel(), minlength=rows * images).reshape(rows, images).astype(np.float64)


def _tail(count: int, confidence: float) -> float:
    """Share of resampled means beyond each end of the interval."""
    if count < 2:
        return 0.0
    return float(stats.norm.cdf(-np.sqrt(count / (count - 1)) * stats.t.ppf((1 + confidence) / 2, count - 1)))
