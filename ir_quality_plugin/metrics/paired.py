"""Which of several methods is better, by how much, how surely: paired by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from ..errors import UsageError
from .intervals import CELLS, CONFIDENCE, bootstrap_means
from .multiplicity import holm, ranks_of

# With fewer, even a method that wins on every image may owe it to chance: 2 * 0.5**5 > 0.05.
LEAST_TO_TEST = 6
# A method with scores of fewer images than this share of what the best covered method has is not ranked.
LEAST_SHARE = 0.5


@dataclass(frozen=True)
class Distribution:
    """How one metric sees one method over its images.

    Attributes:
        count: images with a score.
        mean: of them.
        interval: (low, high) of the mean, by bootstrap over images; NaN below six.
        std: spread, with N - 1.
        quantiles: at 5, 25, 50 (the median), 75 and 95 %.
    """

    count: int
    mean: float
    interval: tuple[float, float]
    std: float
    quantiles: tuple[float, float, float, float, float]


@dataclass(frozen=True)
class Duel:
    """Two methods on the images that both have a score of; signs are turned so that positive means the first is better.

    Attributes:
        first: name of a method.
        second: name of another.
        count: shared images.
        difference: mean advantage of the first, in the metric's unit.
        interval: (low, high) of it, by paired bootstrap over images; NaN below six.
        won: images on which the first is better.
        tied: images on which both score alike.
        p: two-sided, of the paired t-test of no difference; NaN below six images.
        p_adjusted: for all pairs of methods that were compared (Holm); NaN below six images.
    """

    first: str
    second: str
    count: int
    difference: float
    interval: tuple[float, float]
    won: int
    tied: int
    p: float
    p_adjusted: float

    @property
    def share_won(self) -> float:
        """Share of the shared images that the first wins; NaN without any."""
        return self.won / self.count if self.count else float("nan")

    @property
    def better(self) -> str | None:
        """The surely better method: the one that the whole interval speaks for, and the test for all pairs too.

        None where the interval spans zero, where the adjusted p is not below 0.05, and below six images.
        """
        chance = self.p_adjusted >= 1 - CONFIDENCE or self.interval[0] <= 0 <= self.interval[1]
        if self.count < LEAST_TO_TEST or chance:
            return None
        return self.first if self.difference > 0 else self.second


def describe_methods(scores: np.ndarray, seed: int = 0) -> list[Distribution | None]:
    """Describe each method's scores by one metric.

    Args:
        scores: (N,M), an image a row, a method a column; NaN where there is none.
        seed: of the resampling.

    Returns:
        One a method; None where it has no score.
    """
    bounds = bootstrap_means(scores, seed=seed, least=LEAST_TO_TEST)
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
    """Compare every two methods by one metric, image by image; p is adjusted for the number of pairs.

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
    p: list[float] = []
    for start in range(0, len(pairs), at_once):
        some = pairs[start : start + at_once]
        gains = np.stack([sign * (scores[:, first] - scores[:, second]) for first, second in some], axis=1)
        p += [_chance(gain[np.isfinite(gain)]) for gain in gains.T]
        bounds = bootstrap_means(gains, seed=seed, least=LEAST_TO_TEST)
        for (first, second), gain, (low, high) in zip(some, gains.T, bounds, strict=True):
            known = gain[np.isfinite(gain)]
            mean = float(known.mean()) if len(known) else float("nan")
            won, tied = int((known > 0).sum()), int((known == 0).sum())
            found.append((methods[first], methods[second], len(known), mean, (float(low), float(high)), won, tied))
    return [Duel(*duel, own, corrected) for duel, own, corrected in zip(found, p, holm(np.array(p)), strict=True)]


def _chance(gains: np.ndarray) -> float:
    """Two-sided p of the t-test of a mean of zero, where all are alike 0 or 1; NaN below six images."""
    if len(gains) < LEAST_TO_TEST:
        return float("nan")
    if not np.ptp(gains):
        return 0.0 if gains[0] else 1.0
    return float(stats.ttest_1samp(gains, 0.0).pvalue)


def rank(scores: np.ndarray, methods: Sequence[str], higher_is_better: bool, seed: int = 0) -> dict[str, int]:
    """Rank methods: one more than the number of methods that are surely better, so that ties share a rank.

    All are compared on the same images: those that every ranked method has a score of.

    Args:
        scores, methods, higher_is_better, seed: of `duels`.

    Returns:
        By method; without those that have scores of fewer than half of the images that the best covered one has. Empty
        where fewer than six images are common to the others.
    """
    known = np.isfinite(scores)
    ranked = known.sum(axis=0) >= max(LEAST_SHARE * known.sum(axis=0).max(initial=0), LEAST_TO_TEST)
    common = scores[known[:, ranked].all(axis=1)][:, ranked]
    names = [method for method, among in zip(methods, ranked, strict=True) if among]
    if len(common) < LEAST_TO_TEST:
        return {}
    return ranks_of(names, duels(common, names, higher_is_better, seed))


def agreement_of_metrics(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How metrics agree with each other.

    Args:
        scores: (K,N,M) for K metrics, N images and M methods, higher is better for all; NaN where there is none.

    Returns:
        Two (K,K): Spearman's correlation over all images and methods, where contents count; and, within images, the
        share of pairs of methods that two metrics order alike less the share that they order oppositely (Kendall's
        tau-a, its mean over images), where contents do not. In [-1,1]; NaN where nothing can be compared.
    """
    flat = scores.reshape(len(scores), -1)
    overall = np.diag(np.where(np.isfinite(flat).any(axis=1), 1.0, np.nan))
    for one, other in combinations(range(len(scores)), 2):
        shared = np.isfinite(flat[[one, other]]).all(axis=0)
        pair = flat[one, shared], flat[other, shared]
        varied = shared.sum() > 1 and all(np.ptp(side) > 0 for side in pair)
        overall[one, other] = overall[other, one] = stats.spearmanr(*pair)[0] if varied else np.nan
    return overall, _order_within_images(scores)


def _order_within_images(scores: np.ndarray) -> np.ndarray:
    """The mean over images of Kendall's tau-a over pairs of methods, (K,K); each image counts once."""
    kinds, images, methods = scores.shape
    first, second = np.triu_indices(methods, 1)
    total, counted = np.zeros((kinds, kinds)), np.zeros((kinds, kinds))
    at_once = max(CELLS // max(kinds * len(first), 1), 1)  # many methods: some images at a time
    for start in range(0, images, at_once):
        some = scores[:, start : start + at_once].transpose(1, 0, 2)
        orders = np.sign(some[:, :, first] - some[:, :, second])
        known = np.isfinite(orders)
        orders[~known] = 0
        shared = known.astype(float) @ known.transpose(0, 2, 1)
        total += (orders @ orders.transpose(0, 2, 1) / np.maximum(shared, 1)).sum(axis=0)
        counted += (shared > 0).sum(axis=0)
    within = np.where(counted > 0, total / np.maximum(counted, 1), np.nan)
    np.fill_diagonal(within, np.where(counted.diagonal() > 0, 1.0, np.nan))
    return within
