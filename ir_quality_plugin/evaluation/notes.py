"""What a reader must know of a run before trusting its numbers, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..data.names import RULE
from ..data.score_table import formula_note
from ..metrics.paired import LEAST_TO_TEST
from ..models.card import RANDOM
from .run import Evaluated

ENOUGH_TO_RANK = 20


def notes_on(found: Evaluated, metrics: Mapping[str, Any], unpaired: int, scale: int | None) -> list[str]:
    """What holds for a run: the page and the terminal say it alike.

    Args:
        found: the scores.
        metrics: of the summary.
        unpaired: number of images that a folder lacks, or that no method restored.
        scale: factor that was asked for.
    """
    return [*_on_files(found, unpaired, scale), *_on_numbers(found, metrics)]


def _on_files(found: Evaluated, unpaired: int, scale: int | None) -> list[str]:
    """What was left out, and what is odd about the others."""
    table, notes = found.table, []
    if table.reasons:
        files = _counted(int(table.present.sum()), "file", "files")
        notes.append(f"{len(table.failed_files())} of {files} could not be scored by every metric; reasons are listed.")
    if table.missing:
        lacking = len({(image, method) for _, image, method in table.missing})
        notes.append(f"{_counted(lacking, 'file lacks', 'files lack')} the partner that a metric needs, and its score.")
    if unpaired:
        listed = _counted(unpaired, "image is", "images are")
        notes.append(f"{listed} unpaired. Names are paired by {RULE}, or by --match.")
    if found.unchecked:
        files = _counted(found.unchecked, "file", "files")
        notes.append(f"--scale {scale} could not be checked on {files}: no degraded image, or none that can be read.")
    factors = {factor: count for factor, count in found.factors.items() if factor}
    if len(factors) > 1 and scale is None:
        kinds = ", ".join(f"{_counted(count, 'file', 'files')} {factor} times" for factor, count in factors.items())
        notes.append(f"Restored images differ in scale: {kinds} the degraded size; --scale N checks it.")
    if found.grey:
        image, method = found.grey[0]
        files = _counted(len(found.grey), "file is", "files are")
        notes.append(
            f"{files} grey and compared with images in colour, such as {image} of {method}: saved so in error?"
        )
    notes += formula_note((*table.images, *table.methods))
    if found.tiled:
        files = _counted(found.tiled, "large file was", "large files were")
        notes.append(f"{files} scored by tiles: the mean over tiles, weighted by area.")
    return notes


def _on_numbers(found: Evaluated, metrics: Mapping[str, Any]) -> list[str]:
    """What means, intervals and ranks are worth."""
    table, notes = found.table, []
    random = [metric.name for metric in found.metrics if metric.about.get("weights") == RANDOM]
    if random:
        notes.append(f"{', '.join(random)}: random weights, whose scores mean nothing.")
    if len(table.images) < ENOUGH_TO_RANK:
        images = _counted(len(table.images), "image is", "images are")
        notes.append(
            f"{images} few: intervals are rough below about {ENOUGH_TO_RANK}, and below {LEAST_TO_TEST} there is none, "
            "nor a rank."
        )
    unranked = sorted(
        {method for about in metrics.values() for method, one in about["methods"].items() if one.get("rank", 0) is None}
    )
    if unranked and len(table.methods) > 1:
        notes.append(
            f"{', '.join(unranked)}: not ranked by every metric. Ranks compare on the images that all ranked methods "
            f"have; it takes {LEAST_TO_TEST} of them, and half as many scores as the best covered method has."
        )
    if not all(_of_same_images(np.isfinite(scores)) for scores in table.scores):
        notes.append(
            "Methods have scores of different images: means are over each method's own, ranks over those that all "
            "ranked methods have, differences over those that both have. Trust the differences."
        )
    return notes


def _of_same_images(known: np.ndarray) -> bool:
    """Whether all methods that have any score, columns of (N,M), have it of the same images."""
    known = known[:, known.any(axis=0)]
    return known.shape[1] < 2 or bool((known.all(axis=1) == known.any(axis=1)).all())


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
