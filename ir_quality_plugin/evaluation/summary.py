"""What a run has found, as one document: the numbers behind the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..checkpoints.json_file import plain
from ..data.folders import Pairing, by_image
from ..data.score_table import rounded
from ..integrations.metric import Metric
from ..metrics.intervals import CONFIDENCE, RESAMPLES
from ..metrics.paired import (
    LEAST_SHARE,
    LEAST_TO_TEST,
    Distribution,
    Duel,
    agreement_of_metrics,
    describe_methods,
    duels,
    rank,
)
from ..version import __version__
from .notes import notes_on
from .run import Evaluated

SEED = 0


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
        `failures`, `missing`, `unpaired` (by image), `notes`. Numbers have six digits; what does not exist is null.
    """
    table, failed = found.table, found.table.failed_files()
    oriented = table.scores.copy()
    metrics: dict[str, Any] = {}
    for index, metric in enumerate(found.metrics):
        metrics[metric.name] = _of_metric(metric, table.scores[index], table.methods)
        oriented[index] *= 1 if metric.higher_is_better else -1
    overall, within = agreement_of_metrics(oriented)
    failures, missing = _listed(table.reasons), _listed(table.missing)
    unpaired = by_image(pairing.unpaired)
    return plain(
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
                "least_images": LEAST_TO_TEST,
                "least_share": LEAST_SHARE,
            },
            "scale": {
                "asked": scale,
                "files_by_factor": {str(key): count for key, count in found.factors.items()},
                "unchecked_files": found.unchecked,
            },
            "tiled_files": found.tiled,
            "grey_files": [{"image": image, "method": method} for image, method in found.grey],
            "failures": failures,
            "missing": missing,
            "unpaired": unpaired,
            "notes": notes_on(found, metrics, len(unpaired), scale),
        },
        rounded,
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
