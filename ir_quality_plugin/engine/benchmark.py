"""Score a set of judged images with several metrics in one pass: one result an image and metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..data.images import read_image
from ..data.labels import LabelTable, Row
from ..data.score_table import rounded
from ..errors import ImageError, MissingInputError, UsageError
from ..integrations.metric import Metric
from ..nn.memory import ran_out_of_memory

LEAST_TO_COMPARE = 5
OWN_REFERENCE = "it is its own reference, which a metric ranks first without merit"


class Result(NamedTuple):
    """What one metric says of one image.

    Attributes:
        row: of the table.
        metric: name.
        score: in the metric's own direction, rounded as tables write it; None where there is none.
        reason: why there is none.
        left_out: whether it is not to have one, which is no failure: the set lacks what the metric needs, or the image
            is its own reference.
    """

    row: Row
    metric: str
    score: float | None
    reason: str = ""
    left_out: bool = False

    @property
    def failed(self) -> bool:
        """Whether there should be a score."""
        return self.score is None and not self.left_out


def missing_inputs(table: LabelTable, metrics: Mapping[str, Metric], looked: Sequence[Path] = ()) -> list[str]:
    """Say before a run what the metrics will miss.

    Args:
        table: the set.
        metrics: by name.
        looked: folders in which the files that the labels name were looked for.

    Returns:
        A line for each metric that some images have no input for.

    Raises:
        MissingInputError: the whole set has none.
        UsageError: fewer than five images have what all metrics need.
    """
    inputs = {need: [getattr(row, need) for row in table.rows] for need in _needs(metrics)}
    there = {need: [path is not None and path.is_file() for path in paths] for need, paths in inputs.items()}
    said = []
    for metric in metrics.values():
        if metric.needs is None or all(there[metric.needs]):
            continue
        gone = [
            path for path, found in zip(inputs[metric.needs], there[metric.needs], strict=True) if path and not found
        ]
        if not any(there[metric.needs]):
            raise MissingInputError(_nowhere(metric, table.name, gone, looked))
        without = inputs[metric.needs].count(None)
        if without:
            said.append(f"{metric.name} leaves {without} of {len(table.rows)} images out: they have no {metric.needs}")
        if gone:
            said.append(f"{metric.name} cannot score {len(gone)} of {len(table.rows)} images: {gone[0]} is not there")
    whole = sum(all(found) for found in zip(*there.values(), strict=True)) if there else len(table.rows)
    if whole < LEAST_TO_COMPARE:
        raise UsageError(
            f"{whole} of {len(table.rows)} images have what all of {', '.join(metrics)} need; expected at least "
            f"{LEAST_TO_COMPARE}; benchmark them apart, or complete the labels"
        )
    return said


def _needs(metrics: Mapping[str, Metric]) -> set[str]:
    return {metric.needs for metric in metrics.values() if metric.needs}


def _nowhere(metric: Metric, name: str, gone: Sequence[Path], looked: Sequence[Path]) -> str:
    needs = metric.needs
    if not gone:
        return (
            f"{metric.name} needs the {needs} image, and {name} names none; add the column {needs!r} to the labels, "
            f"pass --{needs} DIR (paired by stem), or leave the metric out"
        )
    return (
        f"{metric.name} needs the {needs} image, and none of the {len(gone)} that {name} names is there, such as "
        f"{gone[0].name}; looked in {', '.join(map(str, looked)) or gone[0].parent}; pass --{needs} DIR, or leave the "
        "metric out"
    )


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
        One result an image and metric, in the table's order, then those of listed images that are not there, or are
        their own reference; what has no score has its reason.
    """
    results = []
    # References are shared by neighbouring rows.
    read = lru_cache(maxsize=4)(lambda path: read_image(path)[None].to(device))
    needed = _needs(metrics)
    for row in track((*table.rows, *table.missing)):
        images: dict[str, Tensor | str] = {}
        for name, path in (("restored", row.image), ("degraded", row.degraded), ("reference", row.reference)):
            if path is not None and (name == "restored" or name in needed):
                images[name] = _read(read, path)
        results += [_judge(row, metric, images) for metric in metrics.values()]
    own = ((row, metric) for row in table.references for metric in metrics)
    return results + [Result(row, metric, None, OWN_REFERENCE, left_out=True) for row, metric in own]


def _read(read: Callable[[Path], Tensor], path: Path) -> Tensor | str:
    try:
        return read(path)
    except ImageError as error:
        return str(error).replace(str(path), path.name)  # results hold no path of the machine
    except (RuntimeError, MemoryError) as error:  # of the pixels' way to the device
        if not ran_out_of_memory(error):
            raise
        return f"there is too little memory for {path.name}; take another --device"


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
    return Result(row, metric.name, rounded(score))


class Scored(NamedTuple):
    """Scores of the images that every compared metric scored, for a fair comparison.

    Attributes:
        rows: those images.
        scores: (N,) of each metric, higher is better: signs follow the declared direction.
        mos: (N,), higher is better.
        too_few: number of scores of each metric that is not compared, for having fewer than five.
    """

    rows: list[Row]
    scores: dict[str, np.ndarray]
    mos: np.ndarray
    too_few: dict[str, int]


def in_common(table: LabelTable, metrics: Mapping[str, Metric], results: Sequence[Result]) -> Scored:
    """Take the images that every metric scored; a metric that scored fewer than five does not take them from others.

    Raises:
        ImageError: fewer than five are left.
    """
    found: dict[str, dict[Path, float]] = {name: {} for name in metrics}
    for result in results:
        if result.score is not None:
            found[result.metric][result.row.image] = metrics[result.metric].sign * result.score
    compared = {name: scores for name, scores in found.items() if len(scores) >= LEAST_TO_COMPARE} or found
    rows = [row for row in table.rows if all(row.image in scores for scores in compared.values())]
    if len(rows) < LEAST_TO_COMPARE:
        counts = ", ".join(f"{name} {len(scores)}" for name, scores in found.items())
        reason = next(result.reason for result in results if result.score is None)
        raise ImageError(
            f"{len(rows)} of {len(table.rows)} images were scored by every metric ({counts}); expected at least "
            f"{LEAST_TO_COMPARE}; the first reason: {reason}"
        )
    sign = 1 if table.higher_is_better else -1
    scores = {name: np.array([values[row.image] for row in rows]) for name, values in compared.items()}
    too_few = {name: len(values) for name, values in found.items() if name not in compared}
    return Scored(rows, scores, np.array([sign * row.mos for row in rows]), too_few)
