"""How sure a correlation is, and the difference of two on the same images: the bootstrap, images drawn jointly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from scipy import stats

from ..errors import UsageError
from .correlation import logistic_fit, within_contents
from .intervals import CONFIDENCE, RESAMPLES, mean_interval

Unit = Literal["image", "content"]
KINDS = ("srcc", "plcc", "plcc_logistic", "krcc", "rmse")
# Fewer give an interval that is far too narrow; one gives an interval of no width.
LEAST_UNITS = 6
Interval = tuple[float, float]
NONE: Interval = (float("nan"), float("nan"))


class Resampled(NamedTuple):
    """What resampling says of several metrics.

    Attributes:
        intervals: of each metric and figure, (low, high); NaN where there is none.
        differences: in SRCC, first less second, of every pair of metrics; NaN where there is none.
    """

    intervals: dict[str, dict[str, Interval]]
    differences: dict[tuple[str, str], Interval]


def groups_of(mos: np.ndarray, contents: Sequence[str], unit: Unit) -> np.ndarray:
    """The number, from 0, of the unit that each image belongs to, (N,).

    Raises:
        UsageError: an unknown unit, or not one content for each opinion.
    """
    if unit not in ("image", "content"):
        raise UsageError(f"unit={unit!r}; expected 'image' or 'content'")
    if len(contents) != len(mos):
        raise UsageError(f"{len(contents)} contents for {len(mos)} opinions; expected one each")
    return np.arange(len(mos)) if unit == "image" else np.unique(np.asarray(contents), return_inverse=True)[1]


def resampled(
    scores: Mapping[str, np.ndarray],
    mos: np.ndarray,
    contents: Sequence[str],
    unit: Unit = "image",
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Resampled:
    """Draw images, or whole contents, with replacement, the same for all metrics, and correlate each time.

    The logistic is fitted once, to all images, and held. The interval of the mean SRCC within contents always draws
    contents. Percentile intervals; none is given below six units.

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
    if any(values.shape != mos.shape for values in scores.values()):
        raise UsageError(f"mos has shape {mos.shape}; expected every metric's scores to have the same")
    groups = groups_of(mos, contents, unit)
    drawn = _correlated(scores, mos, _draws(groups, resamples, seed), resamples)
    intervals = {
        name: {kind: _ends(values, confidence) for kind, values in of.items()}
        | {"srcc_within": interval_of_units(within_contents(scores[name], mos, contents), confidence, resamples, seed)}
        for name, of in drawn.items()
    }
    pairs = combinations(scores, 2)
    return Resampled(intervals, {(a, b): _ends(drawn[a]["srcc"] - drawn[b]["srcc"], confidence) for a, b in pairs})


def _draws(groups: np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    members = [np.flatnonzero(groups == group) for group in range(groups.max() + 1)]
    draw = np.random.default_rng(seed)
    if len(members) < LEAST_UNITS:
        return
    for _ in range(resamples):
        picks = draw.integers(0, len(members), len(members))
        yield picks if len(members) == len(groups) else np.concatenate([members[index] for index in picks])


def _correlated(
    scores: Mapping[str, np.ndarray], mos: np.ndarray, draws: Iterator[np.ndarray], resamples: int
) -> dict[str, dict[str, np.ndarray]]:
    mapped = {name: logistic_fit(values, mos) for name, values in scores.items()}
    found = {name: {kind: np.full(resamples, np.nan) for kind in KINDS} for name in scores}
    for number, chosen in enumerate(draws):
        opinions = mos[chosen]
        ranks = stats.rankdata(opinions)
        for name, values in scores.items():
            own, fitted, of = values[chosen], mapped[name][chosen], found[name]
            of["srcc"][number] = _pearson(stats.rankdata(own), ranks)
            of["plcc"][number] = _pearson(own, opinions)
            of["plcc_logistic"][number] = _pearson(fitted, opinions)
            of["krcc"][number] = stats.kendalltau(own, opinions, method="asymptotic").statistic
            of["rmse"][number] = np.sqrt(np.mean((fitted - opinions) ** 2))
    return found


def _pearson(first: np.ndarray, second: np.ndarray) -> float:
    """Without the checks and the p-value that a thousand resamples need not repeat."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    first, second = first - first.mean(), second - second.mean()
    return float(first @ second) / float(np.sqrt((first @ first) * (second @ second)))


def _ends(values: np.ndarray, confidence: float) -> Interval:
    known = values[np.isfinite(values)]
    if not len(known):
        return NONE
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def interval_of_units(
    values: np.ndarray, confidence: float, resamples: int, seed: int, groups: np.ndarray | None = None
) -> Interval:
    """The interval of a mean; none is given below six units.

    Args:
        values: (N,).
        confidence: of the two-sided interval, in (0,1).
        resamples: how often units are drawn.
        seed: of the draws.
        groups: (N,) number, from 0, of the unit that each value belongs to; None where each is one.
    """
    if groups is None:
        return mean_interval(values, confidence, resamples, seed) if len(values) >= LEAST_UNITS else NONE
    drawn = (values[chosen].mean() for chosen in _draws(groups, resamples, seed))
    return _ends(np.fromiter(drawn, dtype=np.float64), confidence)
