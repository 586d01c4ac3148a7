"""Which images a reader should look at, and what to show of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..data.folders import DEGRADED, REFERENCE, Pairing
from ..data.images import declared_pixels, read_image
from ..data.score_table import ScoreTable
from ..data.thumbnails import thumbnail
from ..errors import ImageError
from .page import picture

DIFFERING, WORST = 8, 3
# Standard deviations; what a method is less behind the best other one is a small effect (Cohen's) that nobody sees.
FLOOR = 0.2
WINDOW_PX = 224
SMALL_PX = 96
# Larger images, all methods together, are read one by one and cropped at their centre, not where they differ most.
SEARCHED_PIXELS = 40_000_000
WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Case:
    """An image worth looking at.

    Attributes:
        image: its name.
        methods: whose pictures are shown, best first.
        about: the method that fails on it, or None.
        amount: how much methods differ, or the method falls behind, in standard deviations of a score.
    """

    image: str
    methods: tuple[str, ...]
    about: str | None
    amount: float


@dataclass(frozen=True)
class Shots:
    """The pictures of a case.

    Attributes:
        shots: degraded, methods best first, reference.
        whole: the whole image in small, as the source of an <img>.
        window: what is shown of it, as shares (top, left, height, width); None where it is all.
        shape: width by height of a picture.
    """

    shots: list[Shot]
    whole: str
    window: tuple[float, float, float, float] | None
    shape: float


@dataclass(frozen=True)
class Shot:
    """One picture of a case.

    Attributes:
        name: of the method, or "degraded", or "reference".
        source: of the <img>; empty where the file cannot be read.
        reason: why it cannot.
        pixelated: whether it is shown with hard pixels: the small degraded image.
    """

    name: str
    source: str
    reason: str = ""
    pixelated: bool = False


def choose_cases(table: ScoreTable, higher_is_better: Sequence[bool]) -> tuple[list[Case], list[Case]]:
    """Choose the images on which methods differ most, and those on which each method falls behind most.

    Scores are in standard deviations of each metric, so that no metric's unit counts for more. Methods differ by the
    mean over metrics of their ranges: also where metrics contradict each other. A method's quality is its mean over
    metrics; it falls behind the best other one, by more than `FLOOR`, a single method behind its own mean.

    Returns:
        The differing images, and the worst ones method by method.
    """
    scores = standardised(table, higher_is_better)
    spread = mean_known(np.fmax.reduce(scores, axis=2) - np.fmin.reduce(scores, axis=2))
    quality = mean_known(scores)
    differing = [
        Case(table.images[row], _best_first(table, quality[row]), None, float(spread[row]))
        for row in _largest(spread, DIFFERING)
        if spread[row] > 0
    ]
    worst, floor = [], FLOOR if len(table.methods) > 1 else 0
    for column, method in enumerate(table.methods):
        others = np.delete(quality, column, axis=1)
        behind = (np.fmax.reduce(others, axis=1) if others.shape[1] else 0) - quality[:, column]
        for row in _largest(behind, WORST):
            if behind[row] > floor:
                rivals = [name for name in _best_first(table, quality[row]) if name != method][:1]
                worst.append(Case(table.images[row], (*rivals, method), method, float(behind[row])))
    return differing, worst


def standardised(table: ScoreTable, higher_is_better: Sequence[bool]) -> np.ndarray:
    """Scores (K,N,M), higher is better, with mean 0 and standard deviation 1 a metric; NaN where there is none."""
    scores = table.scores.copy()
    for metric, higher in zip(scores, higher_is_better, strict=True):
        known = metric[np.isfinite(metric)]
        if len(known):
            metric -= known.mean()
            metric *= (1 if higher else -1) / (known.std() or 1.0)
    return scores


def mean_known(values: np.ndarray) -> np.ndarray:
    """The mean over the first axis of what is there; NaN where nothing is."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(axis=0) / known.sum(axis=0)


def _largest(values: np.ndarray, count: int) -> list[int]:
    order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")[:count]
    return [int(row) for row in order if np.isfinite(values[row])]


def _best_first(table: ScoreTable, quality: np.ndarray) -> tuple[str, ...]:
    order = np.argsort(-np.nan_to_num(quality, nan=-np.inf), kind="stable")
    return tuple(table.methods[column] for column in order if np.isfinite(quality[column]))


def shoot(case: Case, pairing: Pairing) -> Shots:
    """Cut the same window from every picture of a case: there where the methods differ most.

    Of large images no more than one is held at a time; the window is then their centre.
    """
    files = {role: pairing.files.get(role, {}).get(case.image) for role in (DEGRADED, *case.methods, REFERENCE)}
    paths = {role: path for role, path in files.items() if path is not None}
    restored = {role: path for role, path in paths.items() if role in case.methods}
    held: dict[str, Tensor | ImageError] = {}
    if sum(declared_pixels(path) for path in restored.values()) <= SEARCHED_PIXELS:
        held = {role: _pixels(path) for role, path in restored.items()}
    coming = iter(held.values()) if held else map(_pixels, restored.values())
    readable = (pixels for pixels in coming if isinstance(pixels, Tensor))
    searched = list(readable if held else islice(readable, 1))
    window = window_of(searched) if searched else WHOLE
    small = thumbnail(searched[0] / 255, SMALL_PX, quality=90) if searched else ""
    del searched
    shots, shape = [], 1.0
    for role, path in paths.items():
        pixels = held[role] if role in held else _pixels(path)
        if isinstance(pixels, ImageError):
            shots.append(Shot(role, "", str(pixels)))
            continue
        cut = _cut(pixels, window)
        shape = cut.shape[-1] / cut.shape[-2] if role in case.methods else shape
        shots.append(Shot(role, picture(_rgb(cut)), pixelated=role == DEGRADED))
    return Shots(shots, small, None if window == WHOLE else window, shape)


def window_of(restored: list[Tensor]) -> tuple[float, float, float, float]:
    """The square of 224 px in which images of one size differ most, as shares (top, left, height, width).

    Args:
        restored: uint8 (3,H,W), of the methods; of another size than the first is not asked.
    """
    height, width = restored[0].shape[-2:]
    side = min(height, WINDOW_PX), min(width, WINDOW_PX)
    top, left = (height - side[0]) // 2, (width - side[1]) // 2
    alike = [image for image in restored if image.shape == restored[0].shape]
    if len(alike) > 1 and (height, width) != side:
        step = 8
        grey = torch.stack(
            [functional.avg_pool2d(image.float().mean(0)[None], step, ceil_mode=True) for image in alike]
        )
        spread = grey.std(dim=0)[None]
        kernel = [max(min(length // step, spread.shape[-2 + axis]), 1) for axis, length in enumerate(side)]
        energy = functional.avg_pool2d(spread, kernel, stride=1)[0, 0]
        row, column = divmod(int(energy.argmax()), energy.shape[1])
        top, left = min(row * step, height - side[0]), min(column * step, width - side[1])
    return top / height, left / width, side[0] / height, side[1] / width


def _pixels(path: Path) -> Tensor | ImageError:
    try:
        return read_image(path).mul_(255).round_().to(torch.uint8)
    except ImageError as error:
        return error


def _cut(pixels: Tensor, window: tuple[float, float, float, float]) -> Tensor:
    height, width = pixels.shape[-2:]
    top, left = round(window[0] * height), round(window[1] * width)
    return pixels[:, top : top + max(round(window[2] * height), 1), left : left + max(round(window[3] * width), 1)]


def _rgb(pixels: Tensor) -> np.ndarray:
    return pixels.permute(1, 2, 0).contiguous().numpy()
