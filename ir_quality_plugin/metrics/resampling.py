"""How sure a correlation is, and whether two metrics on the same images differ: the bootstrap, images drawn jointly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from scipy import stats

from ..errors import UsageError
from .correlation import logistic_fit, srcc
from .intervals import RESAMPLES, mean_interval

Unit = Literal["image", "content"]
CORRELATIONS = ("srcc", "plcc", "plcc_logistic", "krcc")
# The mean over fewer contents has an interval that says nothing.
LEAST_CONTENTS = 5


class Pair(NamedTuple):
    """Two metrics on the same images.

    Attributes:
        first: name of a metric.
        second: name of another.
        difference: SRCC of the first less that of the second.
        low: end of the interval of the difference.
        high: other end.
        p: two-sided, by the normal approximation with the bootstrap's standard error.
        p_adjusted: for all pairs that were looked at (Benjamini and Yekutieli's false discovery rate).
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float


class Resampled(NamedTuple):
    """What resampling says of several metrics.

    Attributes:
        intervals: of each metric and correlation, (low, high); NaN where it is not defined.
        pairs: every pair of metrics.
    """

    intervals: dict[str, dict[str, tuple[float, float]]]
    pairs: list[Pair]


def resampled(
    scores: Mapping[str, np.ndarray],
    mos: np.ndarray,
    contents: Sequence[str],
    unit: Unit = "image",
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Resampled:
    """Draw images, or whole contents, with replacement, the same for all metrics, and correlate each time.

    The logistic is fitted once, to all images, and held. The interval of the mean SRCC within contents resamples
    contents, of which it needs five. Percentile intervals.

    Args:
        scores: (N,) of each metric, higher is better.
        mos: (N,), higher is better.
        contents: what each image shows.
        unit: what is drawn: "image" speaks of other images of these contents, "content" of other contents too.
        confidence: of the two-sided intervals, in (0,1).
        resamples: how often.
        seed: of the draws.

    Raises:
        UsageError: an unknown unit, or shapes that do not agree.
    """
    names = np.asarray(contents)
    if any(values.shape != mos.shape for values in scores.values()) or names.shape != mos.shape:
        raise UsageError(f"mos has shape {mos.shape}; expected every metric's scores and the contents to have the same")
    mapped = {name: logistic_fit(values, mos) for name, values in scores.items()}
    found = {name: {kind: np.full(resamples, np.nan) for kind in CORRELATIONS} for name in scores}
    for number, chosen in enumerate(_draws(names, unit, resamples, seed)):
        opinions = mos[chosen]
        ranks = stats.rankdata(opinions)
        for name, values in scores.items():
            drawn, of = values[chosen], found[name]
            of["srcc"][number] = _pearson(stats.rankdata(drawn), ranks)
            of["plcc"][number] = _pearson(drawn, opinions)
            of["plcc_logistic"][number] = _pearson(mapped[name][chosen], opinions)
            of["krcc"][number] = stats.kendalltau(drawn, opinions, method="asymptotic").statistic
    intervals = {
        name: {kind: _ends(values, confidence) for kind, values in of.items()}
        | {"srcc_within": _within(scores[name], mos, names, confidence, seed)}
        for name, of in found.items()
    }
    points = {name: srcc(values, mos) for name, values in scores.items()}
    return Resampled(intervals, _pairs(points, {name: of["srcc"] for name, of in found.items()}, confidence))


def _draws(contents: np.ndarray, unit: Unit, resamples: int, seed: int) -> Iterator[np.ndarray]:
    draw = np.random.default_rng(seed)
    if unit == "image":
        for _ in range(resamples):
            yield draw.integers(0, len(contents), len(contents))
    elif unit == "content":
        groups = [np.flatnonzero(contents == name) for name in np.unique(contents)]
        for _ in range(resamples):
            yield np.concatenate([groups[index] for index in draw.integers(0, len(groups), len(groups))])
    else:
        raise UsageError(f"unit={unit!r}; expected 'image' or 'content'")


def _pearson(first: np.ndarray, second: np.ndarray) -> float:
    """Without the checks and the p-value that a thousand resamples need not repeat."""
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / scale if scale > 0 else float("nan")


def _ends(values: np.ndarray, confidence: float) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _within(
    scores: np.ndarray, mos: np.ndarray, contents: np.ndarray, confidence: float, seed: int
) -> tuple[float, float]:
    groups = (np.flatnonzero(contents == name) for name in np.unique(contents))
    each = (srcc(scores[own], mos[own]) for own in groups if len(own) >= 3)
    known = np.array([value for value in each if np.isfinite(value)])
    return mean_interval(known, confidence, seed) if len(known) >= LEAST_CONTENTS else (float("nan"), float("nan"))


def _pairs(points: dict[str, float], drawn: dict[str, np.ndarray], confidence: float) -> list[Pair]:
    found = []
    for first, second in combinations(points, 2):
        difference = drawn[first] - drawn[second]
        known = difference[np.isfinite(difference)]
        spread = float(known.std(ddof=1)) if len(known) > 1 else float("nan")
        apart = points[first] - points[second]
        p = float(2 * stats.norm.sf(abs(apart) / spread)) if spread > 0 else float(apart == 0)
        found.append((first, second, apart, *_ends(difference, confidence), p if np.isfinite(apart) else 1.0))
    adjusted = stats.false_discovery_control([row[-1] for row in found], method="by") if found else []
    return [Pair(*row, float(p)) for row, p in zip(found, adjusted, strict=True)]
