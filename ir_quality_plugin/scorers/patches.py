"""Scorers whose network sees square patches: where they are taken, and how many at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from ..models.card import Card, Protocol
from ..nn.crops import Origin, check_count, covering_count, fixed_size, grid_origins, random_origins
from .scorer import Scorer

# Of the released protocols' random crops, so that a score is the same on every call.
RELEASED_SEED = 0
# Bounds the memory of large images where no graph is kept.
PATCHES_AT_ONCE = 32


class PatchScorer(Scorer):
    """A scorer that averages over patches of `card.patch_px`.

    An image smaller than a patch is mirrored at its edges up to it. With protocol "grid", patches lie evenly over the
    image and cover it: the card's number of them, or as many more as covering takes; a number that the user sets is
    kept, and leaves gaps where it is too small. With "released", the card's number of random crops is drawn from a
    fixed seed, or the user's number.
    """

    protocols = ("grid", "released")
    patches_a_group = 1
    most_rows = PATCHES_AT_ONCE

    def __init__(
        self, network: nn.Module, card: Card, protocol: Protocol | None = None, patches: int | None = None
    ) -> None:
        super().__init__(network, card, protocol, patches)
        check_count(patches, self.patches_a_group)

    def count(self, restored: Tensor) -> int:
        """Number of patches for restored images (B,3,H,W), a multiple of `patches_a_group`."""
        native = self.patches or self.card.patches or 1
        if self.patches is not None or self.protocol == "released":
            return native
        height, width = fixed_size(restored)
        groups = -(-covering_count(height, width, self.card.patch_px) // self.patches_a_group)
        return max(native, groups * self.patches_a_group)

    def pieces(self, images: Tensor, places: Sequence[Origin]) -> Iterator[Tensor]:
        """Patches of (B,3,H,W) at every place, image by image: (N,3,side,side), as many as go through together.

        A piece is cut when it is asked for, so that a large image is never held a second time as patches.
        """
        side = self.card.patch_px
        where = [(image, top, left) for image in images for top, left in places]
        at_once = min(self.at_once(images[..., :side, :side]), len(where))
        for start in range(0, len(where), at_once):
            cut = where[start : start + at_once]
            yield torch.stack([image[:, top : top + side, left : left + side] for image, top, left in cut])

    def origins(self, images: Tensor, count: int) -> list[Origin]:
        """Where `count` patches of images of at least the patch's size are taken, as the protocol says."""
        height, width = fixed_size(images)
        if self.protocol == "released":
            return random_origins(height, width, self.card.patch_px, count, RELEASED_SEED)
        return grid_origins(height, width, self.card.patch_px, count)
