"""One label from several metrics that count in different units: the mean of their ranks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from ..errors import UsageError


def share_beaten(scores: ArrayLike, higher_is_better: bool) -> np.ndarray:
    """The share of a table that each of its images beats; itself and ties count half.

        share = (rank - 1/2) / N,  rank 1 for the worst, ties averaged

    Args:
        scores: (N,) of one metric.
        higher_is_better: the metric's direction.

    Returns:
        (N,) within (0,1), higher is better; a clean image, which beats all, would have 1.

    Raises:
        UsageError: another shape, no scores, NaN or Inf.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise UsageError(f"scores have shape {values.shape}; expected (N,), at least one")
    if not np.isfinite(values).all():
        raise UsageError("scores hold NaN or Inf; expected finite numbers; leave failed images out")
    return (rankdata(values if higher_is_better else -values) - 0.5) / len(values)


def consensus(
    scores: Mapping[str, ArrayLike], higher_is_better: Mapping[str, bool], weights: Mapping[str, float]
) -> np.ndarray:
    """Average what each metric says of an image's place in the table.

        label = sum of weight * share_beaten / sum of weight

    Args:
        scores: (N,) by metric, of the same images.
        higher_is_better: by metric.
        weights: by metric, at least 0, not all 0.

    Returns:
        (N,) within (0,1), higher is better; it depends on the table, and is no opinion of anybody.

    Raises:
        UsageError: metrics that differ between the arguments, weights that are negative or all 0, or bad scores.
    """
    if not scores or set(scores) != set(weights) or set(scores) - set(higher_is_better):
        raise UsageError(
            f"scores of {', '.join(scores) or 'no metric'} with weights of {', '.join(weights) or 'none'}; "
            "expected a weight and a direction for each metric"
        )
    check_weights(weights)
    total = sum(weights.values())
    return np.sum(
        [weights[name] / total * share_beaten(scores[name], higher_is_better[name]) for name in scores], axis=0
    )


def check_weights(weights: Mapping[str, float]) -> None:
    """Refuse weights that no mean can be taken with.

    Raises:
        UsageError: one that is negative, NaN or infinite, or all 0.
    """
    if not all(np.isfinite(weight) and weight >= 0 for weight in weights.values()) or not sum(weights.values()) > 0:
        raise UsageError(f"weights={dict(weights)}; expected finite numbers of at least 0, and one above 0")


def family_weights(families: Mapping[str, str]) -> dict[str, float]:
    """Weights by which every family counts alike, and every metric alike within its family.

    Args:
        families: the family's name by metric.

    Returns:
        Weights by metric; they sum to 1.
    """
    members = list(families.values())
    return {name: 1 / (len(set(members)) * members.count(family)) for name, family in families.items()}
