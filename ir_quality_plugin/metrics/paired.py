"""Which of several methods is better, by how much, how surely: paired by image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from ..errors import UsageError
from .intervals import RESAMPLES

CONFIDENCE = 0.95
# Bounds the memory of resampling: this many counts at once, 32 MB each time that they are held.
CELLS = 4_000_000
# With fewer, even a method that wins on every image may owe it to chance: 2 * 0.5**5 > 0.05.
LEAST_IMAGES = 6


@dataclass(frozen=True)
class Distribution:
    """How one metric sees one method over its images.

    Attributes:
        count: images with a score.
        mean: of them.
        interval: (low, high) of the mean, by bootstrap over images.
        std: spread, with N - 1.
        quantiles: at 5, 25, 50, 75 and 95 %.
    """

    count: int
    mean: float
    interval: tuple[float, float]
    std: float
    quantiles: tuple[float, float, float, float, float]

    @property
    def median(self) -> float:
        """The middle score."""
        return self.quantiles[2]


@dataclass(frozen=True)
class Duel:
    """Two methods on the images that both have a score of; signs are turned so that positive means the first is better.

    Attributes:
        first: name of a method.
        second: name of another.
        count: shared images.
        difference: mean advantage of the first, in the metric's unit.
        interval: (low, high) of it, by paired bootstrap over images.
        won: images on which the first is better.
        tied: images on which both score alike.
    """

    first: str
    second: str
    count: int
    difference: float
    interval: tuple[float, float]
    won: int
    tied: int

    @property
    def share_won(self) -> float:
        """Share of the shared images that the first wins; NaN without any."""
        return self.won / self.count if self.count else float("nan")

    @property
    def better(self) -> str | None:
        """The surely better method: the one that the whole interval speaks for.

        None where it spans zero, and below six images.
        """
        if self.count < LEAST_IMAGES or self.interval[0] <= 0 <= self.interval[1]:
            return None
        return self.first if self.difference > 0 else self.second


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


def describe_methods(scores: np.ndarray, seed: int = 0) -> list[Distribution | None]:
    """Describe each method's scores by one metric.

    Args:
        scores: (N,M), an image a row, a method a column; NaN where there is none.
        seed: of the resampling.

    Returns:
        One a method; None where it has no score.
    """
    bounds = bootstrap_means(scores, seed=seed)
    described: list[Distribution | None] = []
    for column, (low, high) in zip(scores.T, bounds, strict=True):
        known = column[np.isfinite(column)]
        if not len(known):
            described.append(None)
            continue
        spread = float(known.std(ddof=1)) if len(known) > 1 else 0.0
        quantiles = tuple(float(value) for value in np.quantile(known, [0.05, 0.25, 0.5, 0.75, 0.95]))
        described.append(Distribution(len(known), float(known.mean()), (float(low), float(high)), spread, quantiles))  # type: ignore[arg-type]
    return described


def duels(scores: np.ndarray, methods: Sequence[str], higher_is_better: bool, seed: int = 0) -> list[Duel]:
    """Compare every two methods by one metric, image by image.

    Args:
        scores: (N,M) in the metric's own direction; NaN where there is none.
        methods: M names.
        higher_is_better: the metric's direction.
        seed: of the resampling.

    Returns:
        One for every pair of methods, in order.
    """
    if scores.ndim != 2 or scores.shape[1] != len(methods):
        raise UsageError(f"scores have shape {scores.shape} for {len(methods)} methods; expected (N,{len(methods)})")
    pairs = list(combinations(range(len(methods)), 2))
    if not pairs:
        return []
    sign = 1 if higher_is_better else -1
    at_once = max(CELLS // max(len(scores), 1), 1)  # many methods on many images: some pairs at a time
    found = []
    for start in range(0, len(pairs), at_once):
        some = pairs[start : start + at_once]
        gains = np.stack([sign * (scores[:, first] - scores[:, second]) for first, second in some], axis=1)
        for (first, second), gain, (low, high) in zip(some, gains.T, bootstrap_means(gains, seed=seed), strict=True):
            known = gain[np.isfinite(gain)]
            mean = float(known.mean()) if len(known) else float("nan")
            won, tied = int((known > 0).sum()), int((known == 0).sum())
            found.append(Duel(methods[first], methods[second], len(known), mean, (float(low), float(high)), won, tied))
    return found


def rank(methods: Iterable[str], found: Iterable[Duel]) -> dict[str, int]:
    """Rank methods: one more than the number of methods that are surely better, so that ties share a rank."""
    beaten = dict.fromkeys(methods, 1)
    for duel in found:
        if duel.better is not None:
            beaten[duel.second if duel.better == duel.first else duel.first] += 1
    return beaten


def agreement_of_metrics(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How metrics agree with each other.

    Args:
        scores: (K,N,M) for K metrics, N images and M methods, higher is better for all; NaN where there is none.

    Returns:
        Two (K,K): Spearman's correlation over all images and methods, where contents count; and, within images, the
        share of pairs of methods that two metrics order alike less the share that they order oppositely (Kendall's
        tau-a, mean over images), where contents do not. In [-1,1]; NaN where nothing can be compared.
    """
    kinds = len(scores)
    flat = scores.reshape(kinds, -1)
    first, second = np.triu_indices(scores.shape[2], 1)
    orders = np.sign(scores[:, :, first] - scores[:, :, second]).reshape(kinds, -1)
    overall, within = np.eye(kinds), np.eye(kinds) if len(first) else np.full((kinds, kinds), np.nan)
    for one, other in combinations(range(kinds), 2):
        shared = np.isfinite(flat[[one, other]]).all(axis=0)
        pair = flat[one, shared], flat[other, shared]
        varied = shared.sum() > 1 and all(np.ptp(side) > 0 for side in pair)
        overall[one, other] = overall[other, one] = stats.spearmanr(*pair)[0] if varied else np.nan
        alike = orders[one] * orders[other]
        alike = alike[np.isfinite(alike)]
        within[one, other] = within[other, one] = alike.mean() if len(alike) else np.nan
    return overall, within
