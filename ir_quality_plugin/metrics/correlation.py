"""How scores agree with human opinions, as the field reports it; formulas and fits are scipy's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from ..errors import UsageError

# Four parameters turn fewer points into a step.
LEAST_FOR_LOGISTIC = 20
# Two images have a correlation of 1 or -1, whatever they show.
LEAST_WITHIN = 3


def _pair(scores: ArrayLike, mos: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(scores, dtype=np.float64), np.asarray(mos, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise UsageError(f"scores have shape {first.shape} and mos {second.shape}; expected (N,) both")
    if len(first) < 2:
        raise UsageError(f"{len(first)} scores; expected at least 2 to correlate")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise UsageError("scores or mos hold NaN or Inf; expected finite numbers; leave failed images out")
    return first, second


def srcc(scores: ArrayLike, mos: ArrayLike) -> float:
    """Spearman's rank correlation, in [-1,1]; NaN where one side is constant. The sign is kept."""
    return _correlated(stats.spearmanr, *_pair(scores, mos))


def krcc(scores: ArrayLike, mos: ArrayLike) -> float:
    """Kendall's rank correlation tau-b, in [-1,1]; NaN where one side is constant. The sign is kept."""
    return _correlated(stats.kendalltau, *_pair(scores, mos))


def plcc(scores: ArrayLike, mos: ArrayLike) -> float:
    """Pearson's linear correlation, in [-1,1]; NaN where one side is constant. The sign is kept."""
    return _correlated(stats.pearsonr, *_pair(scores, mos))


def _correlated(statistic: Callable[..., object], scores: np.ndarray, mos: np.ndarray) -> float:
    if np.ptp(scores) == 0 or np.ptp(mos) == 0:
        return float("nan")
    return float(statistic(scores, mos)[0])  # type: ignore[index]  # scipy's result is a tuple


def logistic(scores: np.ndarray, top: float, bottom: float, middle: float, width: float) -> np.ndarray:
    """The 4-parameter logistic of VQEG: bottom + (top - bottom) / (1 + exp(-(score - middle) / |width|))."""
    steep = np.clip((scores - middle) / max(abs(width), 1e-12), -500, 500)
    return bottom + (top - bottom) / (1 + np.exp(-steep))


def logistic_fit(scores: ArrayLike, mos: ArrayLike) -> np.ndarray:
    """Map scores onto opinions by the fitted 4-parameter logistic; it rises, since higher scores are to be better.

    Args:
        scores: (N,), higher is better.
        mos: (N,), higher is better.

    Returns:
        (N,) in units of `mos`. Where no logistic can be fitted (fewer than twenty scores, or no convergence), the
        straight line of least squares takes its place; where either falls, the mean: scores that rank against people
        say nothing of their opinions that a rising curve could hold.
    """
    first, second = _pair(scores, mos)
    mapped = _logistic_curve(first, second) if len(first) >= LEAST_FOR_LOGISTIC else None
    if mapped is None and np.ptp(first) > 0:
        slope, intercept = np.polyfit(first, second, 1)
        mapped = slope * first + intercept
    if mapped is None or not plcc(mapped, first) > 0:
        return np.full_like(second, second.mean())
    return mapped


def _logistic_curve(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    start = [second.max(), second.min(), float(first.mean()), float(first.std()) or 1.0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optimize.OptimizeWarning)
            found, _ = optimize.curve_fit(logistic, first, second, p0=start, maxfev=20_000)
    except RuntimeError:  # no convergence
        return None
    mapped = logistic(first, *found)
    return mapped if np.isfinite(mapped).all() else None


def judged_contents(mos: np.ndarray, contents: Sequence[Hashable]) -> list[np.ndarray]:
    """The images of each content that is correlated within: three or more, that people judge differently.

    Args:
        mos: (N,).
        contents: (N,), what each image shows.

    Returns:
        Their numbers, (n,) each, in the order in which the contents first appear.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, content in enumerate(contents):
        groups.setdefault(content, []).append(index)
    return [np.array(own) for own in groups.values() if len(own) >= LEAST_WITHIN and np.ptp(mos[own]) > 0]


def within_contents(scores: ArrayLike, mos: ArrayLike, contents: Sequence[Hashable]) -> np.ndarray:
    """Spearman's correlation within each of `judged_contents`, for every metric the same ones.

    A metric that scores all images of a content alike orders nothing there, and has 0.

    Args:
        scores: (N,), higher is better.
        mos: (N,), higher is better.
        contents: (N,), what each image shows.

    Returns:
        (K,) in [-1,1], in the order in which the K contents first appear.

    Raises:
        UsageError: other shapes, fewer than two scores, NaN or Inf.
    """
    first, second = _pair(scores, mos)
    if len(contents) != len(first):
        raise UsageError(f"{len(contents)} contents for {len(first)} scores; expected one each")
    judged = judged_contents(second, contents)
    return np.array([srcc(first[own], second[own]) if np.ptp(first[own]) > 0 else 0.0 for own in judged])


class Agreement(NamedTuple):
    """Agreement of scores with opinions.

    Attributes:
        srcc: Spearman's rank correlation.
        plcc: Pearson's correlation of the raw scores.
        plcc_logistic: Pearson's correlation after the rising 4-parameter logistic; NaN for scores that fall with mos.
        krcc: Kendall's rank correlation.
        rmse: root mean square error after the logistic, in units of the opinions.
        srcc_within: mean of `within_contents`; NaN where there is none.
        images: how many.
        contents: how many.
    """

    srcc: float
    plcc: float
    plcc_logistic: float
    krcc: float
    rmse: float
    srcc_within: float
    images: int
    contents: int


def agreement(scores: ArrayLike, mos: ArrayLike, contents: Sequence[str] | None = None) -> Agreement:
    """Everything that the field reports of one metric on one set.

    Args:
        scores: (N,), higher is better.
        mos: (N,), higher is better.
        contents: what each image shows; None for every image its own.

    Returns:
        An `Agreement`; signs are kept, so a metric that ranks against people is negative.

    Raises:
        UsageError: other shapes, fewer than two scores, NaN or Inf.
    """
    first, second = _pair(scores, mos)
    names = list(range(len(first))) if contents is None else list(contents)
    within = within_contents(first, second, names)
    mapped = logistic_fit(first, second)
    return Agreement(
        srcc(first, second),
        plcc(first, second),
        plcc(mapped, second),
        krcc(first, second),
        float(np.sqrt(np.mean((mapped - second) ** 2))),
        float(np.mean(within)) if len(within) else float("nan"),
        len(first),
        len(set(names)),
    )
