"""Score a set of judged images with several metrics in one pass, and say how each agrees with people."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..data.images import pair_by_stem, read_image
from ..data.labels import LabelTable, Row
from ..data.votes import Vote
from ..errors import ImageError, MissingInputError, UsageError
from ..integrations.metric import Metric
from ..metrics.correlation import agreement, srcc
from ..metrics.resampling import Unit, resampled
from ..metrics.votes import vote_agreement

LEAST_IMAGES = 5
CONFIDENCE = 0.95


class Result(NamedTuple):
    """What one metric says of one image.

    Attributes:
        row: of the table.
        metric: name.
        score: in the metric's own direction; None where there is none.
        reason: why there is none.
        left_out: whether the set lacks what the metric needs, which is no failure.
    """

    row: Row
    metric: str
    score: float | None
    reason: str = ""
    left_out: bool = False


def with_folders(table: LabelTable, degraded: Path | None, reference: Path | None) -> LabelTable:
    """Give every row the degraded input, and the reference, of its stem from a folder.

    Raises:
        UsageError: names the images without a partner.
    """
    images = [row.image for row in table.rows]
    found: dict[str, Any] = {
        name: pair_by_stem(images, folder)
        for name, folder in (("degraded", degraded), ("reference", reference))
        if folder is not None
    }
    rows = (
        dataclasses.replace(row, **{name: paths[index] for name, paths in found.items()})
        for index, row in enumerate(table.rows)
    )
    return dataclasses.replace(table, rows=tuple(rows))


def without_references(table: LabelTable) -> LabelTable:
    """Leave out images that are their own reference, which every full-reference metric ranks first without merit."""
    found = table.only(lambda row: row.reference is None or not _same(row.image, row.reference))
    left = len(table.rows) - len(found.rows)
    note = (f"{left} of {len(table.rows)} images are their own reference and are left out",) if left else ()
    return dataclasses.replace(found, notes=(*table.notes, *note))


def _same(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve()


def missing_inputs(table: LabelTable, metrics: Mapping[str, Metric]) -> list[str]:
    """Say before a run what the metrics will miss.

    Returns:
        A line for each metric that some images have no input for.

    Raises:
        MissingInputError: the whole set has none.
        UsageError: fewer than five images have what all metrics need.
    """
    said = []
    for metric in metrics.values():
        without = sum(getattr(row, metric.needs) is None for row in table.rows) if metric.needs else 0
        if without == len(table.rows):
            raise MissingInputError(
                f"{metric.name} needs the {metric.needs} image, and {table.name} names none; add the column "
                f"{metric.needs!r} to the labels, pass --{metric.needs} DIR (paired by stem), or leave the metric out"
            )
        if without:
            said.append(f"{metric.name} leaves {without} of {len(table.rows)} images out: they have no {metric.needs}")
    needed = {metric.needs for metric in metrics.values() if metric.needs}
    whole = sum(all(getattr(row, name) is not None for name in needed) for row in table.rows)
    if whole < LEAST_IMAGES:
        raise UsageError(
            f"{whole} of {len(table.rows)} images have what all of {', '.join(metrics)} need; expected at least "
            f"{LEAST_IMAGES}; benchmark them apart, or complete the labels"
        )
    return said


def score_table(
    table: LabelTable,
    metrics: Mapping[str, Metric],
    device: torch.device | str = "cpu",
    track: Callable[[Sequence[Row]], Iterable[Row]] = iter,
) -> list[Result]:
    """Score every image with every metric: each file is decoded once an image, whatever the number of metrics.

    Args:
        table: what to score.
        metrics: by name.
        device: where the metrics are.
        track: wraps the rows to show progress.

    Returns:
        One result an image and metric, in the table's order; what cannot be scored has its reason.
    """
    results = []
    # References are shared by neighbouring rows.
    read = lru_cache(maxsize=4)(lambda path: read_image(path)[None].to(device))
    for row in track(table.rows):
        images: dict[str, Tensor | str] = {}
        for name, path in (("restored", row.image), ("degraded", row.degraded), ("reference", row.reference)):
            if path is not None and (name == "restored" or any(m.needs == name for m in metrics.values())):
                images[name] = _read(read, path)
        results += [_judge(row, metric, images) for metric in metrics.values()]
    return results


def _read(read: Callable[[Path], Tensor], path: Path) -> Tensor | str:
    try:
        return read(path)
    except ImageError as error:
        return str(error)


def _judge(row: Row, metric: Metric, images: Mapping[str, Tensor | str]) -> Result:
    needed = ["restored", *([metric.needs] if metric.needs else [])]
    absent = [name for name in needed if name not in images]
    if absent:
        return Result(row, metric.name, None, f"the set has no {absent[0]} of this image", left_out=True)
    unreadable = [image for name, image in images.items() if name in needed and isinstance(image, str)]
    if unreadable:
        return Result(row, metric.name, None, unreadable[0])
    try:
        with torch.inference_mode():
            score = metric(**{name: image for name, image in images.items() if name in needed}).item()  # type: ignore[arg-type]  # read above
    except ImageError as error:
        return Result(row, metric.name, None, str(error))
    if not math.isfinite(score):
        return Result(row, metric.name, None, f"the score is {score}; expected a finite number")
    return Result(row, metric.name, score)


class Scored(NamedTuple):
    """Scores of the images that every metric scored, for a fair comparison.

    Attributes:
        rows: those images.
        scores: (N,) of each metric, higher is better: signs follow the declared direction.
        mos: (N,), higher is better.
    """

    rows: list[Row]
    scores: dict[str, np.ndarray]
    mos: np.ndarray


def in_common(table: LabelTable, metrics: Mapping[str, Metric], results: Sequence[Result]) -> Scored:
    """Take the images that every metric scored.

    Raises:
        ImageError: fewer than five are left.
    """
    found: dict[str, dict[Path, float]] = {name: {} for name in metrics}
    for result in results:
        if result.score is not None:
            found[result.metric][result.row.image] = metrics[result.metric].sign * result.score
    rows = [row for row in table.rows if all(row.image in scores for scores in found.values())]
    if len(rows) < LEAST_IMAGES:
        counts = ", ".join(f"{name} {len(scores)}" for name, scores in found.items())
        reason = next(result.reason for result in results if result.score is None)
        raise ImageError(
            f"{len(rows)} of {len(table.rows)} images were scored by every metric ({counts}); expected at least "
            f"{LEAST_IMAGES}; the first reason: {reason}"
        )
    sign = 1 if table.higher_is_better else -1
    scores = {name: np.array([values[row.image] for row in rows]) for name, values in found.items()}
    return Scored(rows, scores, np.array([sign * row.mos for row in rows]))


def summarise(
    table: LabelTable,
    metrics: Mapping[str, Metric],
    results: Sequence[Result],
    votes: Sequence[Vote] = (),
    unit: Unit = "image",
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Everything that is said of the metrics on a set, as plain values; undefined correlations are None.

    Args:
        table: the set.
        metrics: by name.
        results: of `score_table`.
        votes: forced choices, where there are any.
        unit: of the resampling.
        resamples: how often.
        seed: of the resampling.

    Raises:
        ImageError: fewer than five images were scored by every metric.
    """
    scored = in_common(table, metrics, results)
    contents = [row.content for row in scored.rows]
    sure = resampled(scored.scores, scored.mos, contents, unit, CONFIDENCE, resamples, seed)
    said = {}
    for name, metric in metrics.items():
        own = [result for result in results if result.metric == name]
        found = agreement(scored.scores[name], scored.mos, contents)._asdict()
        said[name] = {
            "higher_is_better": metric.higher_is_better,
            "needs": metric.needs,
            "origin": metric.origin,
            "scored": sum(result.score is not None for result in own),
            "left_out": sum(result.left_out for result in own),
            "failed": sum(result.score is None and not result.left_out for result in own),
            **{kind: value for kind, value in found.items() if kind not in ("images", "contents")},
            "intervals": sure.intervals[name],
            "by_distortion": _by_distortion(scored, name),
            **({"votes": _votes(scored, name, votes)} if votes else {}),
        }
    document = {
        "set": {
            "name": table.name,
            "source": table.source,
            "images": len(table.rows),
            "mos_range": table.mos_range,
            "higher_is_better": table.higher_is_better,
            "notes": table.notes,
        },
        "compared": {"images": len(scored.rows), "contents": len(set(contents))},
        "resampling": {"unit": unit, "resamples": resamples, "confidence": CONFIDENCE, "seed": seed},
        "metrics": said,
        "pairs": [pair._asdict() for pair in sure.pairs],
        "failures": [
            {"image": str(result.row.image), "metric": result.metric, "reason": result.reason}
            for result in results
            if result.score is None and not result.left_out
        ],
    }
    return plain(document)


def _by_distortion(scored: Scored, name: str) -> dict[str, dict[str, float]]:
    kinds = np.array([row.distortion or "" for row in scored.rows])
    found = {}
    for kind in sorted(set(kinds) - {""}):
        own = np.flatnonzero(kinds == kind)
        if len(own) >= LEAST_IMAGES:
            found[str(kind)] = {"srcc": srcc(scored.scores[name][own], scored.mos[own]), "images": len(own)}
    return found


def _votes(scored: Scored, name: str, votes: Sequence[Vote]) -> dict[str, Any] | None:
    place = {row.image: index for index, row in enumerate(scored.rows)}
    usable = [vote for vote in votes if vote.first in place and vote.second in place]
    if not usable:
        return None
    first, second = (scored.scores[name][[place[getattr(vote, side)] for vote in usable]] for side in Vote._fields[:2])
    return vote_agreement(first, second, np.array([vote.share_first for vote in usable]))._asdict()


def plain(value: Any) -> Any:
    """The same as JSON can hold it: tuples as lists, numbers that are none as None."""
    if isinstance(value, Mapping):
        return {name: plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
