"""How often a metric sides with people who were shown two images and chose one."""

from __future__ import annotations

from math import ceil, floor
from typing import NamedTuple

import numpy as np
from scipy import stats

from ..errors import UsageError
from .intervals import CONFIDENCE, RESAMPLES
from .resampling import LEAST_UNITS, NONE, interval_of_units


class VoteAgreement(NamedTuple):
    """Agreement with forced choices.

    Attributes:
        accuracy: share of the pairs with a majority on whose side the metric is; a tie of the metric counts half.
        accuracy_interval: of it, Wilson's, as if pairs were independent; contents resampled where these are given.
        two_afc: mean share of the voters who agree with the metric's choice; a tie of the metric counts half.
        two_afc_interval: of it, pairs resampled, or contents; NaN below six of them.
        two_afc_people: what a metric that always sides with the majority would reach: the ceiling.
        pairs: how many.
        undecided: how many of them had no majority.
    """

    accuracy: float
    accuracy_interval: tuple[float, float]
    two_afc: float
    two_afc_interval: tuple[float, float]
    two_afc_people: float
    pairs: int
    undecided: int


def vote_agreement(
    first: np.ndarray,
    second: np.ndarray,
    share_first: np.ndarray,
    resamples: int = RESAMPLES,
    seed: int = 0,
    contents: np.ndarray | None = None,
) -> VoteAgreement:
    """Compare a metric with choices.

    Args:
        first: (N,) scores of the first image of each pair, higher is better.
        second: (N,) scores of the second.
        share_first: (N,) in [0,1], share of the voters who chose the first.
        resamples: how often pairs, or contents, are drawn anew.
        seed: of the draws.
        contents: (N,) what each pair shows, where the intervals are to speak of other contents; None for other pairs.

    Raises:
        UsageError: no pair, or shapes that do not agree.
    """
    if not len(first) or not first.shape == second.shape == share_first.shape:
        raise UsageError(
            f"first has shape {first.shape}, second {second.shape}, share_first {share_first.shape}; expected (N,) "
            "each, of at least one pair"
        )
    choice = (np.sign(first - second) + 1) / 2  # 1 first, 0 second, 0.5 a tie
    agreeing = choice * share_first + (1 - choice) * (1 - share_first)
    decided = share_first != 0.5
    right = 1 - np.abs(choice - (share_first > 0.5))[decided]
    groups = None if contents is None else np.unique(contents, return_inverse=True)[1]
    return VoteAgreement(
        float(right.mean()) if len(right) else float("nan"),
        _share_interval(float(right.sum()), len(right))
        if contents is None
        else _share_interval_of(contents[decided], right, resamples, seed),
        float(agreeing.mean()),
        interval_of_units(agreeing, CONFIDENCE, resamples, seed, groups),
        float(np.maximum(share_first, 1 - share_first).mean()),
        len(first),
        int((~decided).sum()),
    )


def _share_interval_of(contents: np.ndarray, right: np.ndarray, resamples: int, seed: int) -> tuple[float, float]:
    """Of pairs (N,) of so many contents: these are drawn; Wilson's of their number where every pair goes one way."""
    named, groups = np.unique(contents, return_inverse=True)
    if len(named) >= LEAST_UNITS and not np.ptp(right):
        return _share_interval(float(right[0]) * len(named), len(named))
    return interval_of_units(right, CONFIDENCE, resamples, seed, groups) if len(named) else NONE


def _share_interval(right: float, pairs: int) -> tuple[float, float]:
    """Wilson's, which has a width also where every pair is right; a half is rounded away from the share."""
    if not pairs:
        return NONE
    low, high = (stats.binomtest(count, pairs).proportion_ci(method="wilson") for count in (floor(right), ceil(right)))
    return float(low.low), float(high.high)
