"""Whether two metrics agree differently with people: their ranks are swapped image by image, as if chance had drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from ..errors import UsageError
from .correlation import judged_contents
from .intervals import CELLS
from .multiplicity import holm
from .resampling import Unit, groups_of

LEVEL = 0.05
SWAPS = 9_999


class Pair(NamedTuple):
    """Two metrics on the same images.

    Attributes:
        first: name of a metric.
        second: name of another.
        difference: SRCC of the first less that of the second, or their means within contents; NaN where either is not
            defined.
        p: two-sided; NaN where the difference is.
        p_adjusted: for all pairs that were looked at (Holm).
        better: name of the metric that is shown to agree better, at `LEVEL` for all pairs; None where none is.
    """

    first: str
    second: str
    difference: float
    p: float
    p_adjusted: float
    better: str | None


def swap_test(
    scores: Mapping[str, np.ndarray],
    mos: np.ndarray,
    contents: Sequence[str],
    unit: Unit = "image",
    seed: int = 0,
    within: bool = False,
) -> list[Pair]:
    """Test the difference in SRCC of every two metrics, over all images or within contents.

    If two metrics agree alike with people, which of two ranks of an image is whose is chance: the ranks are swapped in
    every set of images, or in 9,999 random ones (more for many pairs), and p is the share in which the correlations
    part at least as far as they did. The level is kept where the metrics' errors are alike; where they have another
    form it was up to twice as high on few images (benchmarks/paired_tests.py).

    Args:
        scores: (N,) of each metric, higher is better.
        mos: (N,), higher is better.
        contents: what each image shows.
        unit: what is swapped as a whole: "image", or "content" where one asks about other contents.
        seed: of the random swaps.
        within: compare means of SRCC within contents, as `within_contents` has them, by the ranks within each.

    Returns:
        Every pair of metrics, in order; p is corrected for their number by Holm's method.

    Raises:
        UsageError: an unknown unit, or shapes that do not agree.

    Source: approximate randomisation (Noreen 1989), for correlations of metrics with people as PERM-INPUTS in Deutsch,
    Dror and Roth, TACL 2021; on ranks, which are not ranked anew after a swap. Holm, Scand. J. Statist. 6, 1979.
    """
    groups = groups_of(mos, contents, unit)
    if any(values.shape != mos.shape for values in scores.values()):
        raise UsageError(f"mos has shape {mos.shape}; expected every metric's scores to have the same")
    pairs = list(combinations(scores, 2))
    parts = judged_contents(mos, contents) if within else [np.arange(len(mos))]
    if not (pairs and parts):
        return [Pair(*names, math.nan, math.nan, math.nan, None) for names in pairs]
    units = np.unique(groups[np.concatenate(parts)])
    partings = []
    for part in parts:
        ranks = {name: _centred(values[part]) for name, values in scores.items()}
        first, second = (np.stack([ranks[pair[side]] for pair in pairs], axis=1) for side in (0, 1))
        own = np.searchsorted(units, groups[part])
        partings.append(_parting(first, second, _centred(mos[part]), own, undefined=0.0 if within else math.nan))
    apart, p = _shares(partings, len(units), len(pairs), _count_of_swaps(len(pairs)), seed)
    adjusted = holm(p)
    return [
        Pair(*names, difference, own, corrected, names[difference < 0] if corrected <= LEVEL else None)
        for names, difference, own, corrected in zip(pairs, apart.tolist(), p.tolist(), adjusted.tolist(), strict=True)
    ]


def _centred(values: np.ndarray) -> np.ndarray:
    return stats.rankdata(values) - (len(values) + 1) / 2


def _count_of_swaps(pairs: int) -> int:
    """Enough for the smallest p to stay below a hundredth after the correction."""
    return max(SWAPS, 100 * pairs - 1)


def _parting(
    first: np.ndarray, second: np.ndarray, people: np.ndarray, groups: np.ndarray, undefined: float
) -> Callable[[np.ndarray], np.ndarray]:
    """How far the correlations of centred ranks (N,P) with people's (N,) lie apart, (R,P), by the swaps (R,G).

    A swap adds the same to one sum of the correlation's formula as it takes from the other, so that all of them are
    one product with the groups' own sums. A constant's correlation is `undefined`.
    """
    swapped, own = np.unique(groups, return_inverse=True)
    gaps = second - first
    sums = [np.zeros((len(swapped), gaps.shape[1])) for _ in range(3)]
    for total, values in zip(sums, (gaps * people[:, None], gaps, second**2 - first**2), strict=True):
        np.add.at(total, own, values)
    products = people @ first, people @ second
    squares = (first**2).sum(axis=0), (second**2).sum(axis=0)
    scale = math.sqrt(float(people @ people))

    def parted(swaps: np.ndarray) -> np.ndarray:
        product, shift, square = (swaps[:, swapped] @ total for total in sums)
        mean = shift**2 / len(people)
        with np.errstate(invalid="ignore", divide="ignore"):
            one = (products[0] + product) / np.sqrt(np.maximum(squares[0] + square - mean, 0))
            other = (products[1] - product) / np.sqrt(np.maximum(squares[1] - square - mean, 0))
            return (np.nan_to_num(one, nan=undefined) - np.nan_to_num(other, nan=undefined)) / scale

    return parted


def _shares(
    partings: Sequence[Callable[[np.ndarray], np.ndarray]], groups: int, pairs: int, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean differences (P,) over what is ranked by itself, and the share of the swaps that part them as far."""

    def parted(swaps: np.ndarray) -> np.ndarray:
        total = np.zeros((len(swaps), pairs))
        for parting in partings:
            total += parting(swaps)
        return total / len(partings)

    apart = parted(np.zeros((1, groups)))[0]
    # Orders of sums differ in their last bits: what is as far apart must not count as nearer.
    enough = np.abs(apart) - 1e-9
    every = 2 ** (groups - 1) <= count + 1
    reached, tried = np.zeros(len(apart)), 0
    for swaps in _swaps(groups, count, every, max(CELLS // max(pairs, groups), 1), seed):
        reached += (np.abs(parted(swaps)) >= enough).sum(axis=0)
        tried += len(swaps)
    p = reached / tried if every else (reached + 1) / (tried + 1)
    return apart, np.where(np.isfinite(apart), p, np.nan)


def _swaps(groups: int, count: int, every: bool, at_once: int, seed: int) -> Iterator[np.ndarray]:
    """Which groups are swapped, (R,G) in {0,1}: every set of them up to its complement, or random ones."""
    total = 2 ** (groups - 1) if every else count
    draw = np.random.default_rng(seed)
    for start in range(0, total, at_once):
        numbers = np.arange(start, min(start + at_once, total))
        if every:
            yield (numbers[:, None] >> np.arange(groups) & 1).astype(np.float64)
        else:
            yield draw.integers(0, 2, (len(numbers), groups), dtype=np.int8).astype(np.float64)


def verdict(units: int, pairs: int, unit: Unit = "image") -> dict[str, Any]:
    """What the test can tell at all: the smallest p that so few units allow, and how many it takes.

    Args:
        units: images, or contents, that are swapped.
        pairs: of metrics.
        unit: what they are.

    Returns:
        `units`, `pairs`, `level`, `least_p` (of a pair, corrected), `units_needed`, and `too_few`: a sentence, or None.
    """
    least = min(max(pairs, 1) * max(0.5 ** max(units - 1, 0), 1 / (_count_of_swaps(pairs) + 1)), 1.0)
    needed = 1 + math.ceil(math.log2(max(pairs, 1) / LEVEL))
    said = None
    if pairs and least > LEVEL:
        plural = f"{unit} is" if units == 1 else f"{unit}s are"
        what = "two metrics" if pairs == 1 else f"any of the {pairs} pairs of metrics"
        said = (
            f"{units} {plural} too few to tell {what} apart: even the clearest difference would have p = {least:.2g}; "
            f"it takes at least {needed} {unit}s"
        )
    return {
        "unit": unit, "units": units, "pairs": pairs, "level": LEVEL, "correction": "Holm",
        "least_p": least, "units_needed": needed, "too_few": said,
    }  # fmt: skip
