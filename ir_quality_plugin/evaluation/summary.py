"""What a run has found, as one document: the numbers behind the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.folders import RULE, Pairing
from ..data.score_table import DIGITS
from ..integrations.metric import Metric
from ..metrics.intervals import CONFIDENCE, RESAMPLES
from ..metrics.paired import (
    LEAST_IMAGES,
    LEAST_SHARE,
    Distribution,
    Duel,
    agreement_of_metrics,
    describe_methods,
    duels,
    rank,
)
from ..models.card import RANDOM
from ..version import __version__
from .run import Evaluated

SEED = 0
FEW = 20


def summarise(found: Evaluated, pairing: Pairing, folders: Mapping[str, Path], scale: int | None) -> dict[str, Any]:
    """Summarise a run; equal for equal scores, however often it was interrupted.

    Args:
        found: the scores.
        pairing: which files belong together.
        folders: as given, by "degraded", "reference" and method.
        scale: factor that was asked for.

    Returns:
        Plain values for JSON: `methods`, `metrics` (with `methods`: count, mean, interval, median, std, quantiles,
        rank; and `pairs`: the advantage of `first` over `second`, positive where the first is better), `agreement`,
        `failures`, `missing`, `unpaired`, `notes`. Numbers have six digits; what does not exist is null.
    """
    table, failed = found.table, found.table.failed_files()
    oriented = table.scores.copy()
    metrics: dict[str, Any] = {}
    for index, metric in enumerate(found.metrics):
        metrics[metric.name] = _of_metric(metric, table.scores[index], table.methods)
        oriented[index] *= 1 if metric.higher_is_better else -1
    overall, within = agreement_of_metrics(oriented)
    failures, missing = _listed(table.reasons), _listed(table.missing)
    unpaired = [{"folder": one.folder, "file": one.file, "reason": one.reason} for one in pairing.unpaired]
    return _rounded(
        {
            "version": __version__,
            "images": len(table.images),
            "files": int(table.present.sum()),
            "failed_files": len(failed),
            "folders": {name: str(path) for name, path in folders.items()},
            "methods": {
                method: {
                    "files": int(table.present[:, column].sum()),
                    "failed": sum(name == method for _, name in failed),
                }
                for column, method in enumerate(table.methods)
            },
            "metrics": metrics,
            "agreement": {
                "metrics": list(table.metrics),
                "spearman_over_all": overall.tolist(),
                "order_within_images": within.tolist(),
            },
            "interval": {"confidence": CONFIDENCE, "resamples": RESAMPLES, "seed": SEED, "kind": "bootstrap by image"},
            "better": {
                "test": "paired t-test, and an interval without zero",
                "adjusted": "Holm, over pairs by metric",
                "least_images": LEAST_IMAGES,
                "least_share": LEAST_SHARE,
            },
            "scale": {
                "asked": scale,
                "files_by_factor": {str(key): count for key, count in found.factors.items()},
                "unchecked_files": found.unchecked,
            },
            "tiled_files": found.tiled,
            "failures": failures,
            "missing": missing,
            "unpaired": unpaired,
            "notes": _notes(found, metrics, unpaired, failures, scale),
        }
    )


def _listed(reasons: Mapping[tuple[str, str, str], str]) -> list[dict[str, str]]:
    return [
        {"image": image, "method": method, "metric": metric, "reason": reason}
        for (metric, image, method), reason in sorted(reasons.items(), key=lambda entry: entry[0][1:])
    ]


def _of_metric(metric: Metric, scores: np.ndarray, methods: Sequence[str]) -> dict[str, Any]:
    described = dict(zip(methods, describe_methods(scores, SEED), strict=True))
    pairs = duels(scores, methods, metric.higher_is_better, SEED)
    ranks = rank(scores, methods, metric.higher_is_better, SEED)
    return {
        "direction": "higher is better" if metric.higher_is_better else "lower is better",
        "needs": metric.needs,
        "about": metric.about,
        "tiles": metric.combine if metric.tiled else "never",
        "methods": {
            method: _of_method(one, ranks.get(method)) if one else {"count": 0} for method, one in described.items()
        },
        "pairs": [_of_pair(duel) for duel in pairs],
    }


def _of_method(one: Distribution, place: int | None) -> dict[str, Any]:
    q05, q25, q50, q75, q95 = one.quantiles
    return {
        "count": one.count,
        "mean": one.mean,
        "interval": list(one.interval),
        "median": q50,
        "std": one.std,
        "quantiles": {"5": q05, "25": q25, "75": q75, "95": q95},
        "rank": place,
    }


def _of_pair(duel: Duel) -> dict[str, Any]:
    return {
        "first": duel.first,
        "second": duel.second,
        "count": duel.count,
        "difference": duel.difference,
        "interval": list(duel.interval),
        "won": duel.won,
        "tied": duel.tied,
        "lost": duel.count - duel.won - duel.tied,
        "share_won": duel.share_won,
        "p": duel.p,
        "p_adjusted": duel.p_adjusted,
        "better": duel.better,
    }


def _notes(
    found: Evaluated, metrics: Mapping[str, Any], unpaired: list[Any], failures: list[Any], scale: int | None
) -> list[str]:
    """What a reader must know before trusting the numbers."""
    notes = []
    table = found.table
    if failures:
        notes.append(
            f"{len(table.failed_files())} of {int(table.present.sum())} files have no score by at least one metric; "
            "they are left out of that metric's numbers."
        )
    if table.missing:
        lacking = len({(image, method) for _, image, method in table.missing})
        notes.append(
            f"{lacking} files lack the partner that a metric needs; they are left out of that metric's numbers."
        )
    if found.unchecked:
        notes.append(
            f"--scale {scale} could not be checked on {found.unchecked} files: their degraded image is missing, or "
            "cannot be read."
        )
    unranked = sorted(
        {method for about in metrics.values() for method, one in about["methods"].items() if one.get("rank", 0) is None}
    )
    if unranked and len(table.methods) > 1:
        notes.append(
            f"{', '.join(unranked)}: not ranked by every metric. Ranks compare on the images that all ranked methods "
            f"have; it takes {LEAST_IMAGES} of them, and half as many scores as the best covered method has."
        )
    if unpaired:
        notes.append(f"{len(unpaired)} files or partners are unpaired. Names are paired by {RULE}, or by --match.")
    if len(table.images) < FEW:
        notes.append(
            f"{len(table.images)} images are few: intervals are rough below about {FEW}, and with fewer than "
            f"{LEAST_IMAGES} shared images no method is called better."
        )
    random = [metric.name for metric in found.metrics if metric.about.get("weights") == RANDOM]
    if random:
        notes.append(f"{', '.join(random)}: random weights, whose scores mean nothing.")
    factors = {factor: count for factor, count in found.factors.items() if factor}
    if len(factors) > 1 and scale is None:
        kinds = ", ".join(f"{count} files {factor} times" for factor, count in factors.items())
        notes.append(f"Restored images differ in scale: {kinds} the degraded size; --scale N checks it.")
    if found.tiled:
        notes.append(f"{found.tiled} large files were scored by tiles: the mean over tiles, weighted by area.")
    if any(np.ptp(np.isfinite(scores).sum(axis=0)) for scores in table.scores):
        notes.append(
            "Methods have scores of different images: means are over each method's own, differences over those that "
            "both have. Trust the differences."
        )
    return notes


def _rounded(value: Any) -> Any:
    """Numbers with six digits, what is no number as None."""
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_rounded(entry) for entry in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value
