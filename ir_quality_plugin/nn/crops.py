"""Where patches are taken: a grid that covers the image, the released protocols' seeded crops, a centre crop."""

from __future__ import annotations

import math
import random

import torch
from torch import Tensor

from ..errors import ImageError, UsageError

Origin = tuple[int, int]
# More than cover the largest images that a decoder lets through.
MOST_PATCHES = 10_000


def fixed_size(images: Tensor) -> tuple[int, int]:
    """Height and width as plain numbers: a compiled graph is made anew for each size, since places depend on it.

    `len(range(n))` is what torch.compile evaluates; `int(n)` leaves a symbol, which no list of places can be made of.
    """
    height, width = images.shape[-2:]
    return len(range(height)), len(range(width))


@torch.compiler.assume_constant_result
def covering_count(height: int, width: int, patch_px: int) -> int:
    """The least number of patches of a grid that covers every pixel of an image."""
    return math.ceil(height / patch_px) * math.ceil(width / patch_px)


def spread(length: int, patch_px: int, count: int) -> list[int]:
    """Start `count` patches at even distances from the first pixel to the last; a single one is centred."""
    room = length - patch_px
    if count == 1:
        return [room // 2]
    return [round(index * room / (count - 1)) for index in range(count)]


@torch.compiler.assume_constant_result
def grid_origins(height: int, width: int, patch_px: int, count: int) -> list[Origin]:
    """Place exactly `count` patches in even rows over an image; they cover it whenever a grid of `count` can.

    The number of rows is the one that balances the vertical and the horizontal distance between patches; rows may
    differ by one patch, longer rows first.

    Args:
        height: of the image in pixels, at least `patch_px`.
        width: of the image in pixels, at least `patch_px`.
        patch_px: side of a patch in pixels.
        count: number of patches.

    Returns:
        `count` pairs (top, left) in pixels, row by row.
    """

    def gaps(rows: int) -> tuple[float, float]:
        shortest_row = count // rows
        vertical, horizontal = height / rows, width / shortest_row
        uncovered = max(vertical - patch_px, 0) + max(horizontal - patch_px, 0)
        return uncovered, abs(vertical - horizontal)

    rows = min(range(1, count + 1), key=gaps)
    lengths = [count // rows + (row < count % rows) for row in range(rows)]
    tops = spread(height, patch_px, rows)
    return [(top, left) for top, length in zip(tops, lengths, strict=True) for left in spread(width, patch_px, length)]


@torch.compiler.assume_constant_result
def random_origins(height: int, width: int, patch_px: int, count: int, seed: int) -> list[Origin]:
    """Draw `count` uniform crops from a seed; the same for every image of a size.

    Args:
        height: of the image in pixels, at least `patch_px`.
        width: of the image in pixels, at least `patch_px`.
        patch_px: side of a patch in pixels.
        count: number of patches.
        seed: of the draw.

    Returns:
        `count` pairs (top, left) in pixels.
    """
    draw = random.Random(seed)
    return [(draw.randint(0, height - patch_px), draw.randint(0, width - patch_px)) for _ in range(count)]


def take_patches(images: Tensor, origins: list[Origin], patch_px: int) -> Tensor:
    """Cut the patches at `origins` from each image.

    Args:
        images: (B,3,H,W).
        origins: P pairs (top, left) in pixels.
        patch_px: side of a patch in pixels.

    Returns:
        (B,P,3,patch_px,patch_px); gradients reach every pixel of a patch.
    """
    patches = [images[..., top : top + patch_px, left : left + patch_px] for top, left in origins]
    return torch.stack(patches, dim=1)


def centre_crop(images: Tensor, side_px: int) -> Tensor:
    """Cut the central square of `side_px` pixels from (B,3,H,W).

    Raises:
        ImageError: where the image is smaller.
    """
    height, width = images.shape[-2:]
    if min(height, width) < side_px:
        raise ImageError(f"the image is {height}x{width} pixels (HxW); expected at least {side_px} for the centre crop")
    top, left = round((height - side_px) / 2), round((width - side_px) / 2)
    return images[..., top : top + side_px, left : left + side_px]


def check_count(patches: int | None, multiple_of: int = 1) -> None:
    """Refuse a number of patches that a scorer cannot use.

    Raises:
        UsageError: below one, or not a multiple of what the network takes at once.
    """
    if patches is None:
        return
    if isinstance(patches, int) and patches > MOST_PATCHES:
        raise UsageError(f"patches={patches}; expected at most {MOST_PATCHES}, or None for as many as cover the image")
    if isinstance(patches, bool) or not isinstance(patches, int) or patches < 1 or patches % multiple_of:
        expected = f"a positive multiple of {multiple_of}" if multiple_of > 1 else "a positive whole number"
        raise UsageError(f"patches={patches!r}; expected {expected}, or None for as many as cover the image")
