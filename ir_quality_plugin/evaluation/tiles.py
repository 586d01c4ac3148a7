"""Large images are scored by tiles, so that the memory of a metric has a bound."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

from ..data.folders import DEGRADED
from ..integrations.metric import Metric


class Tile(NamedTuple):
    """A rectangle of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, image: Tensor, factor: int = 1) -> Tensor:
        """Cut it from (1,3,H,W), or from an image that is smaller by a whole factor."""
        top, left, height, width = (side // factor for side in self)
        return image[..., top : top + height, left : left + width]


def tiles_of(height: int, width: int, tile_px: int, factor: int = 1) -> list[Tile]:
    """Part an image into even tiles without overlap; one tile where it has at most tile_px**2 pixels.

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        tile_px: greatest side of a tile in pixels, give or take `factor`; 0 for never.
        factor: by which the degraded image is smaller; edges lie on multiples of it.

    Returns:
        Tiles that cover every pixel once, row by row.
    """
    if not tile_px or height * width <= tile_px**2:
        return [Tile(0, 0, height, width)]
    rows, columns = _edges(height, tile_px, factor), _edges(width, tile_px, factor)
    return [
        Tile(top, left, bottom - top, right - left)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    ]


def _edges(length: int, tile_px: int, factor: int) -> list[int]:
    count = math.ceil(length / tile_px)
    return [round(index * (length // factor) / count) * factor for index in range(count)] + [length]


def factor_of(restored: Tensor, smaller: Tensor) -> int:
    """The whole factor between two images (...,H,W) and (...,h,w); 0 where there is none."""
    factor = restored.shape[-2] // smaller.shape[-2]
    return factor if restored.shape[-2:] == tuple(factor * side for side in smaller.shape[-2:]) else 0


def score_by_tiles(metric: Metric, restored: Tensor, guide: Tensor | None, tiles: list[Tile]) -> float:
    """Score every tile as an image of its own; their mean, weighted by area, is the image's score.

    For PSNR the squared errors are averaged instead, which gives the whole image's value.

    Args:
        metric: of single images.
        restored: (1,3,H,W) in [0,1].
        guide: what it judges against. Of a degraded input or an aligned reference a tile sees its own place, where that
            is smaller by a whole factor; of any other one, such as any clean image, every tile sees all.
        tiles: of the restored image.
    """

    def score(image: Tensor, against: Tensor | None) -> float:
        return metric(image, **({metric.needs: against} if metric.needs else {})).item()

    if len(tiles) == 1:
        return score(restored, guide)
    scores = [score(tile.of(restored), _seen(metric, tile, guide, restored)) for tile in tiles]
    area = [tile.height * tile.width for tile in tiles]
    if metric.combine == "squared error":
        errors = sum(10 ** (-value / 10) * pixels for value, pixels in zip(scores, area, strict=True))
        return -10 * math.log10(errors / sum(area))
    return sum(value * pixels for value, pixels in zip(scores, area, strict=True)) / sum(area)


def _seen(metric: Metric, tile: Tile, guide: Tensor | None, restored: Tensor) -> Tensor | None:
    """What a tile is judged against: its own place of what lies on the image, all of any other."""
    if guide is None or not (metric.needs == DEGRADED or metric.aligned):
        return guide
    factor = factor_of(restored, guide)
    return tile.of(guide, factor) if factor else guide
