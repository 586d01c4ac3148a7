"""Squares of photographs that every installation has."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from ir_quality_plugin.cli.demo import TESTED_ON, TRAINED_ON, cut_photographs
from ir_quality_plugin.data.images import list_images, read_image
from ir_quality_plugin.nn.pixels import mirror_to


@cache
def squares(side_px: int, folder: Path | None = None) -> tuple[Tensor, int]:
    """Cut photographs into squares that do not overlap; a smaller one is mirrored at its edges up to one.

    Args:
        side_px: of a square.
        folder: of photographs; None for those that scikit-image and matplotlib carry, as `irq demo` takes them.

    Returns:
        Squares (N,3,side,side) in [0,1], and of how many photographs they are.
    """
    if folder is not None:
        files = list_images(folder)
        return torch.stack([square for path in files for square in _cut(read_image(path), side_px)]), len(files)
    with TemporaryDirectory() as cut:
        cut_photographs(Path(cut) / "photographs")
        parts = [squares(side_px, part)[0] for part in sorted((Path(cut) / "photographs").iterdir())]
    return torch.cat(parts), len(TRAINED_ON + TESTED_ON)


def _cut(image: Tensor, side_px: int) -> list[Tensor]:
    whole = mirror_to(image[None], side_px, side_px)[0]
    height, width = whole.shape[-2:]
    return [
        whole[:, top : top + side_px, left : left + side_px]
        for top in range(0, height - side_px + 1, side_px)
        for left in range(0, width - side_px + 1, side_px)
    ]
