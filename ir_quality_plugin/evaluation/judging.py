"""All metrics on one restored file: a score each, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from ..data.folders import DEGRADED, REFERENCE, RESTORED
from ..data.score_table import rounded
from ..errors import ImageError, ImageMemoryError
from ..integrations.metric import Metric
from ..nn.memory import ran_out_of_memory
from .tiles import factor_of, score_by_tiles, tiles_of

Read = Mapping[str, Tensor | ImageError]
"""What was read for one file, by "restored", "degraded", "reference": the pixels (3,H,W), or why there are none."""


@dataclass(frozen=True)
class Item:
    """One restored file and what belongs to it.

    Attributes:
        image: name of the image.
        method: that restored it.
        files: path by "restored", "degraded", "reference", as far as there is one.
        places: what tells the folder of each from others.
    """

    image: str
    method: str
    files: Mapping[str, Path]
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """The result for one restored file.

    Attributes:
        scores: by metric.
        failures: the reason, by metric that should have a score and has none.
        missing: the reason, by metric whose partner image there is not; no failure.
        factor: by which the degraded image is smaller; 0 where it is unknown or no whole number.
        unchecked: whether a scale was asked for that could not be checked, without a readable degraded image.
        tiles: number of tiles that the image was scored by.
        grey: whether the image has no colour, and one that it is judged against has.
    """

    scores: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    factor: int = 0
    unchecked: bool = False
    tiles: int = 1
    grey: bool = False


def judge(
    item: Item, read: Read, metrics: Sequence[Metric], scale: int | None, tile_px: int, device: torch.device
) -> Judgement:
    """Score one restored file by all metrics.

    Args:
        item: the file.
        read: its pixels and its partners'.
        metrics: by which.
        scale: factor that every restored image must have; None for any whole one.
        tile_px: above tile_px**2 pixels an image is scored by tiles; 0 for never.
        device: where the metrics are.
    """
    restored, degraded = read[RESTORED], read.get(DEGRADED)
    if isinstance(restored, ImageError):
        return Judgement(failures=dict.fromkeys((metric.name for metric in metrics), str(restored)))
    factor = factor_of(restored, degraded) if isinstance(degraded, Tensor) else 0
    if scale and isinstance(degraded, Tensor) and factor != scale:
        sizes = f"restored is {_size(restored)} and degraded {_size(degraded)} pixels (HxW)"
        wrong = f"{sizes}; expected {scale} times its size, as --scale says"
        return Judgement(failures=dict.fromkeys((metric.name for metric in metrics), wrong))
    height, width = restored.shape[-2:]
    tiles, untiled = (tiles_of(height, width, side, factor or 1) for side in (tile_px, 0))
    result = Judgement(
        factor=factor,
        unchecked=bool(scale) and not isinstance(degraded, Tensor),
        tiles=len(tiles) if any(metric.tiled for metric in metrics) else 1,
        grey=_is_grey(restored) and not all(_is_grey(pixels) for pixels in read.values() if isinstance(pixels, Tensor)),
    )
    placed: dict[str, Tensor] = {}
    for metric in metrics:
        if metric.needs and metric.needs not in item.files:
            result.missing[metric.name] = f"there is no {metric.needs} file of this image"
            continue
        obstacle = _obstacle(metric, restored, read, factor)
        if obstacle:
            result.failures[metric.name] = obstacle
            continue
        try:
            for role in filter(None, (RESTORED, metric.needs)):
                pixels = read[role]
                if role not in placed and isinstance(pixels, Tensor):
                    placed[role] = pixels[None].to(device)
            guide = placed[metric.needs] if metric.needs else None
            score = score_by_tiles(metric, placed[RESTORED], guide, tiles if metric.tiled else untiled)
        except ImageMemoryError as error:
            result.failures[metric.name] = f"{error}: lower --tile-px"
        except ImageError as error:
            result.failures[metric.name] = str(error)
        except (RuntimeError, MemoryError) as error:  # of the pixels' way to the device
            if not ran_out_of_memory(error):
                raise
            result.failures[metric.name] = f"{device} ran out of memory on {_size(restored)} pixels (HxW)"
        else:
            if math.isfinite(score):
                result.scores[metric.name] = rounded(score)  # once: all that follows sees the same value
            else:
                result.failures[metric.name] = f"the score is {score}; look at the image and the weights"
    return result


def _obstacle(metric: Metric, restored: Tensor, read: Read, factor: int) -> str | None:
    """Why a metric cannot even be asked."""
    if metric.needs is None:
        return None
    guide = read[metric.needs]
    if isinstance(guide, ImageError):
        return str(guide)
    sizes = f"{metric.needs} is {_size(guide)} and restored {_size(restored)} pixels (HxW)"
    if metric.needs == REFERENCE and metric.aligned and guide.shape != restored.shape:
        return f"{sizes}; expected the same size; crop one of them"
    if metric.needs == DEGRADED and not factor:
        return f"{sizes}; expected the same size, or the degraded one smaller by a whole factor; crop one of them"
    return None


def _is_grey(image: Tensor) -> bool:
    return all(torch.equal(image[0], channel) for channel in image[1:])  # which stops at the first difference


def _size(image: Tensor) -> str:
    return f"{image.shape[-2]}x{image.shape[-1]}"
