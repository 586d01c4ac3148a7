"""Random flips, shifts and crops of what the scorer sees, so that a generator cannot fit its grid."""

from __future__ import annotations

import random
from dataclasses import dataclass

from torch import Tensor

from ..errors import ImageError, UsageError


@dataclass(frozen=True)
class Augment:
    """Draw one view a call, the same for all images of the call.

    Attributes:
        flip: mirror left to right, and top to bottom, with probability one half each.
        shift_px: cut up to so many rows and columns off, so that the content moves under the scorer's grid.
        crop_px: take a random square of this side; None for the whole image.
        seed: of the draws; the n-th call always draws the same view.
    """

    flip: bool = False
    shift_px: int = 0
    crop_px: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible sizes."""
        if self.shift_px < 0 or (self.crop_px is not None and self.crop_px < 1):
            raise UsageError(f"shift_px={self.shift_px}, crop_px={self.crop_px}; expected 0 or more pixels")

    def view(self, call: int, images: dict[str, Tensor]) -> dict[str, Tensor]:
        """Show aligned images (B,3,H,W) of one size from the same random view.

        Args:
            call: number of the call; with the seed it determines the view.
            images: by name.

        Raises:
            ImageError: the images are smaller than the crop and the shift ask for.
        """
        if not (self.flip or self.shift_px or self.crop_px):
            return images
        draw = random.Random(f"{self.seed}/{call}")
        height, width = next(iter(images.values())).shape[-2:]
        rows = self.crop_px or height - self.shift_px
        columns = self.crop_px or width - self.shift_px
        if rows > height or columns > width or min(rows, columns) < 1:
            raise ImageError(
                f"the images are {height}x{width} pixels (HxW); expected more than crop_px={self.crop_px} and "
                f"shift_px={self.shift_px} take"
            )
        top, left = draw.randint(0, height - rows), draw.randint(0, width - columns)
        axes = [axis for axis in (-1, -2) if self.flip and draw.random() < 0.5]
        shown = {name: batch[..., top : top + rows, left : left + columns] for name, batch in images.items()}
        return {name: batch.flip(axes) for name, batch in shown.items()} if axes else shown
