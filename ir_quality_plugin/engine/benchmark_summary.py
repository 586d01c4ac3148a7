"""What is said of metrics on a set of judged images: figures, intervals, tests, and what they are worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..checkpoints.json_file import plain
from ..data.labels import LabelTable
from ..data.score_table import formula_note
from ..data.votes import Vote
from ..integrations.metric import Metric
from ..metrics.correlation import agreement, judged_contents, srcc
from ..metrics.intervals import CONFIDENCE
from ..metrics.multiplicity import ranks_of
from ..metrics.resampling import LEAST_UNITS, Unit, resampled
from ..metrics.swapping import Pair, swap_test, verdict
from .benchmark import LEAST_TO_COMPARE, Result, Scored, in_common
from .benchmark_votes import Voted, compare_with_votes

ENOUGH_TO_CORRELATE = 50
# The example of the warning, and the width of its interval.
EXAMPLE, NORMAL = 0.8, 1.96


def summarise(
    table: LabelTable,
    metrics: Mapping[str, Metric],
    results: Sequence[Result],
    votes: Sequence[Vote] = (),
    unit: Unit = "image",
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Everything that is said of the metrics on a set, the best first, as plain values; undefined figures are None.

    Args:
        table: the set.
        metrics: by name.
        results: of `score_table`.
        votes: forced choices, where there are any.
        unit: of the resampling and of the paired test.
        resamples: how often.
        seed: of the resampling and of the test.

    Raises:
        ImageError: fewer than five images were scored by every metric.
    """
    scored = in_common(table, metrics, results)
    names, contents = table.names(), [row.content for row in scored.rows]
    sure = resampled(scored.scores, scored.mos, contents, unit, CONFIDENCE, resamples, seed)
    figures = {name: _figures(scored, name, contents) for name in scored.scores}
    everywhere, inside = (_tested(scored, figures, contents, unit, seed, within) for within in (False, True))
    voted = compare_with_votes(scored, votes, unit, resamples, seed) if votes else Voted(None, {})
    document = {
        "set": {
            "name": table.name,
            "source": table.source,
            "images": len(table.listed),
            "mos_range": table.mos_range,
            "higher_is_better": table.higher_is_better,
            "notes": table.notes,
        },
        "compared": {
            "images": len(scored.rows),
            "contents": len(set(contents)),
            "contents_within": len(judged_contents(scored.mos, contents)),
        },
        "not_compared": {
            name: f"it scored {count} images; expected at least {LEAST_TO_COMPARE}"
            for name, count in scored.too_few.items()
        },
        "warnings": [
            *_warnings(len(contents), unit, everywhere.test, inside.test),
            *(note.removesuffix(".") for note in formula_note(names.values())),
        ],
        "resampling": {"unit": unit, "resamples": resamples, "confidence": CONFIDENCE, "seed": seed},
        "test": everywhere.test,
        "test_within": inside.test,
        "metrics": {
            name: _counts(metrics[name], results)
            | {"rank": everywhere.ranks.get(name), "rank_within": inside.ranks.get(name)}
            | figures[name]
            | {"intervals": sure.intervals[name], "by_distortion": _by_distortion(scored, name)}
            | {"votes": voted.metrics.get(name)}
            for name in sorted(figures, key=lambda name: _last_if_undefined(figures[name]["srcc"]))
        },
        "pairs": [
            pair._asdict() | dict(zip(("low", "high"), sure.differences[pair.first, pair.second], strict=True))
            for pair in everywhere.pairs
        ],
        "pairs_within": [pair._asdict() for pair in inside.pairs],
        "votes": voted.pairs,
        "failures": [
            {"image": names[result.row.image], "metric": result.metric, "reason": result.reason}
            for result in results
            if result.failed
        ],
    }
    return plain(document)


def _last_if_undefined(srcc: float) -> float:
    return -srcc if math.isfinite(srcc) else math.inf


class _Tested(NamedTuple):
    """What the paired test says, over all images or within contents; no p where it can tell nothing."""

    test: dict[str, Any]
    pairs: list[Pair]
    ranks: dict[str, int]


def _tested(
    scored: Scored, figures: Mapping[str, Any], contents: Sequence[str], unit: Unit, seed: int, within: bool
) -> _Tested:
    parts = judged_contents(scored.mos, contents) if within else [np.arange(len(contents))]
    pairs = swap_test(scored.scores, scored.mos, contents, unit, seed, within)
    units = sum(map(len, parts)) if unit == "image" else len({contents[int(index)] for part in parts for index in part})
    test = verdict(units, sum(math.isfinite(pair.p) for pair in pairs), unit)
    if test["too_few"]:
        pairs = [pair._replace(p=math.nan, p_adjusted=math.nan) for pair in pairs]
    kind = "srcc_within" if within else "srcc"
    return _Tested(test, pairs, ranks_of([name for name in figures if math.isfinite(figures[name][kind])], pairs))


def _warnings(images: int, unit: Unit, test: Mapping[str, Any], test_within: Mapping[str, Any]) -> list[str]:
    """Why what is said is not worth much."""
    said, units = [], test["units"]
    if test["too_few"]:
        said.append(test["too_few"])
    elif test_within["too_few"]:
        said.append(f"within contents: {test_within['too_few']}")
    if units < LEAST_UNITS:
        plural = f"{unit} is" if units == 1 else f"{unit}s are"
        remedy = "; --resample image gives intervals for other images of these contents" if unit == "content" else ""
        said.append(f"{units} {plural} too few to resample: no interval is given below {LEAST_UNITS}{remedy}")
    if images < ENOUGH_TO_CORRELATE:
        low, high = _example(images)
        said.append(
            f"{images} images are few, {ENOUGH_TO_CORRELATE} or more are expected: of a metric whose true SRCC is "
            f"{EXAMPLE}, so many images show anything from {low:.2f} to {high:.2f}, and large differences often pass "
            "for chance"
        )
    return said


def _example(images: int) -> tuple[float, float]:
    """Where SRCCs of samples lie, by Fisher's transformation with Bonett and Wright's variance (2000)."""
    half = NORMAL * math.sqrt((1 + EXAMPLE**2 / 2) / max(images - 3, 1))
    return math.tanh(math.atanh(EXAMPLE) - half), math.tanh(math.atanh(EXAMPLE) + half)


def _counts(metric: Metric, results: Sequence[Result]) -> dict[str, Any]:
    own = [result for result in results if result.metric == metric.name]
    return {
        "higher_is_better": metric.higher_is_better,
        "needs": metric.needs,
        "origin": metric.origin,
        "scored": sum(result.score is not None for result in own),
        "left_out": sum(result.left_out for result in own),
        "failed": sum(result.failed for result in own),
    }


def _figures(scored: Scored, name: str, contents: Sequence[str]) -> dict[str, float]:
    found = agreement(scored.scores[name], scored.mos, contents)._asdict()
    return {kind: value for kind, value in found.items() if kind not in ("images", "contents")}


def _by_distortion(scored: Scored, name: str) -> dict[str, dict[str, float]]:
    kinds = np.array([row.distortion or "" for row in scored.rows])
    found = {}
    for kind in sorted(set(kinds) - {""}):
        own = np.flatnonzero(kinds == kind)
        if len(own) >= LEAST_TO_COMPARE:
            found[str(kind)] = {"srcc": srcc(scored.scores[name][own], scored.mos[own]), "images": len(own)}
    return found
