"""The page of `irq benchmark`: how metrics agree with people, how surely, and where they part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from ..data.images import read_image
from ..data.thumbnails import thumbnail
from ..metrics.correlation import logistic_fit
from .page import write_page
from .plots import interval_plot, scatter_plot
from .text import MINUS, ranking_note, text_of, votes_note

# Twice what a column of the page shows, for fine screens.
THUMBNAIL_PX = 352
PARTED = 3
KINDS = ("srcc", "srcc_within", "krcc", "plcc_logistic", "plcc", "rmse")


class Seen(NamedTuple):
    """The images that were compared.

    Attributes:
        images: their files.
        mos: (N,), higher is better.
        scores: (N,) of each metric, higher is better.
    """

    images: Sequence[Path]
    mos: np.ndarray
    scores: Mapping[str, np.ndarray]


def write_benchmark_page(path: Path, document: Mapping[str, Any], seen: Seen, subtitle: str) -> Path:
    """Write the page.

    Args:
        path: of the page.
        document: of `engine.benchmark_summary.summarise`.
        seen: the images that were compared.
        subtitle: when and with what it was made.

    Raises:
        CheckpointError: the folder cannot be written to.
    """
    metrics = document["metrics"]
    order = list(metrics)
    unit = "opinion" if document["set"]["higher_is_better"] else f"opinion ({MINUS}dmos)"
    sure = any(None not in metrics[name]["intervals"]["srcc"] for name in order)
    return write_page(
        path,
        "benchmark.html.j2",
        mos_range=" to ".join(text_of(end, ".3g") for end in document["set"]["mos_range"]),
        title=f"Metrics against people: {document['set']['name']}",
        subtitle=subtitle,
        document=document,
        rows=[_row(name, metrics[name]) for name in order],
        votes=document["votes"] and votes_note(document["votes"]),
        voted=any(metrics[name]["votes"] for name in order),
        sure=sure,
        best=order[0] if metrics[order[0]]["srcc"] is not None else None,
        alike=_alike(order[0], document["pairs"]),
        first_within=[name for name in order if metrics[name]["rank_within"] == 1],
        untested=[name for name in order if metrics[name]["srcc"] is None],
        ranking=ranking_note(document["test"], document["test_within"]),
        overview=interval_plot(
            [_arrow(name, metrics[name]) for name in order],
            [_number(metrics[name]["srcc"]) for name in order],
            [_ends(metrics[name]["intervals"]["srcc"]) for name in order],
            "SRCC with human opinion, 95 % interval" if sure else "SRCC with human opinion",
        ),
        scatters=[_scatter(name, metrics[name]["higher_is_better"], seen, unit) for name in order],
        distortions=_distortions(order, metrics),
        order=order,
        pairs=_matrix(order, document["pairs"]),
        pairs_within=_matrix(order, document["pairs_within"]) if document["test_within"]["pairs"] else [],
        differences=_differences(order, document["pairs"]),
        parted=[{"name": name, "images": _parted(seen, name)} for name in order],
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _ends(interval: Sequence[float | None]) -> tuple[float, float]:
    return _number(interval[0]), _number(interval[1])


def _arrow(name: str, metric: Mapping[str, Any]) -> str:
    return f"{name} {'↑' if metric['higher_is_better'] else '↓'}"


def _interval(ends: Sequence[float | None]) -> str:
    return "" if None in ends else " to ".join(text_of(end, ".2f") for end in ends)


def _cell(value: float | None, ends: Sequence[float | None]) -> dict[str, str]:
    return {"text": text_of(value), "interval": _interval(ends)}


def _row(name: str, metric: Mapping[str, Any]) -> dict[str, Any]:
    votes = metric["votes"]
    return {
        "name": _arrow(name, metric),
        "ranks": [text_of(metric[kind], "d") for kind in ("rank", "rank_within")],
        "cells": [_cell(metric[kind], metric["intervals"][kind]) for kind in KINDS],
        "votes": [_cell(votes[kind], votes[f"{kind}_interval"]) for kind in ("accuracy", "two_afc")] if votes else None,
        "scored": metric["scored"],
        "left_out": metric["left_out"],
        "failed": metric["failed"],
    }


def _scatter(name: str, higher: bool, seen: Seen, unit: str) -> Any:
    scores = seen.scores[name]
    raw = scores if higher else -scores
    title = f"{name} {'↑' if higher else '↓'}"
    return scatter_plot(raw, seen.mos, logistic_fit(scores, seen.mos), title, (name, unit), falls=not higher)


def _distortions(order: Sequence[str], metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    kinds = metrics[order[0]]["by_distortion"]
    rows = []
    for kind, found in kinds.items():
        cells = [text_of(metrics[name]["by_distortion"][kind]["srcc"], ".2f") for name in order]
        rows.append({"kind": kind, "images": found["images"], "cells": cells})
    return rows


def _both_ways(pairs: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Every pair that has a difference, by (first, second) and turned round, by (second, first)."""
    found = {}
    for pair in pairs:
        if pair["difference"] is None:
            continue
        low, high = (None if pair.get(end) is None else -pair[end] for end in ("high", "low"))
        turned = {"difference": -pair["difference"], "low": low, "high": high}
        found[pair["first"], pair["second"]] = pair
        found[pair["second"], pair["first"]] = {**pair, **turned}
    return found


def _matrix(order: Sequence[str], pairs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the table of differences: SRCC of the row less that of the column."""
    found, empty = _both_ways(pairs), {"text": "", "p": "", "kind": ""}

    def cell(name: str, pair: Mapping[str, Any]) -> dict[str, str]:
        kind = "" if pair["better"] is None else "higher" if pair["better"] == name else "lower"
        return {"text": text_of(pair["difference"], "+.2f"), "p": _p(pair["p_adjusted"]), "kind": kind}

    return [
        {
            "name": name,
            "cells": [cell(name, found[name, other]) if (name, other) in found else empty for other in order],
        }
        for name in order
    ]


def _differences(order: Sequence[str], pairs: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Every pair by itself, the metric of the higher SRCC first."""
    found = _both_ways(pairs)
    return [
        {
            "first": first,
            "second": second,
            "difference": text_of(pair["difference"], "+.3f"),
            "interval": ""
            if pair["low"] is None
            else " to ".join(text_of(pair[end], "+.3f") for end in ("low", "high")),
            "p": _p(pair["p"]),
            "p_adjusted": _p(pair["p_adjusted"]),
            "kind": "" if pair["better"] is None else "higher",
        }
        for first, second in combinations(order, 2)
        if (pair := found.get((first, second)))
    ]


def _alike(best: str, pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The metrics of which no difference from the best is shown."""
    tested = (pair for pair in pairs if pair["p"] is not None and pair["better"] is None)
    own = (pair for pair in tested if best in (pair["first"], pair["second"]))
    return [pair["second"] if pair["first"] == best else pair["first"] for pair in own]


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "p < .001" if value < 0.001 else f"p {value:.2g}"


def _parted(seen: Seen, name: str) -> list[dict[str, str]]:
    """The images that a metric ranks furthest above people's rank, and those furthest below."""
    count = len(seen.images)
    people, metric = (stats.rankdata(values) / count for values in (seen.mos, seen.scores[name]))
    order = np.argsort(metric - people)
    chosen = [*order[::-1][:PARTED], *order[:PARTED]]
    return [
        {
            "source": thumbnail(read_image(seen.images[index]), THUMBNAIL_PX, quality=92),
            "name": seen.images[index].stem,
            "kind": "overrated" if metric[index] > people[index] else "underrated",
            "text": f"people {people[index]:.0%}, metric {metric[index]:.0%}",
        }
        for index in chosen
    ]
