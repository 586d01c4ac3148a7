"""CVRKD as a scorer: against any clean image, on groups of patches."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor

from ..models.card import Card, Protocol
from ..models.cvrkd import CVRKD
from ..nn.crops import take_patches
from ..nn.pixels import mirror_to
from .patches import PATCHES_AT_ONCE, PatchScorer


class CVRKDScorer(PatchScorer):
    """The mean of the network's scores over groups of patches, each group spread over both images.

    The network takes ten patches (a constructor argument of it) of the restored image and of the reference at once. Any
    size from 32 px for either image: below 224 px a side is mirrored up to it; above, the grid has ten patches or as
    many tens as cover the restored image, and gradients reach every pixel of it. The reference is cut into as many.

    Source: CVRKD-IQA; deviation: covering grids where the release draws ten random crops (protocol "released").
    """

    def __init__(
        self, network: CVRKD, card: Card, protocol: Protocol | None = None, patches: int | None = None
    ) -> None:
        self.patches_a_group = network.patches
        super().__init__(network, card, protocol, patches)

    def score(self, restored: Tensor, guide: Tensor) -> Tensor:
        """Score (B,3,H,W) against `guide`, (B,3,h,w) or (1,3,h,w), as (B,)."""
        groups = self.count(restored) // self.patches_a_group
        encoded = self.encode(restored, groups)
        reference = self.encode(guide, groups).expand_as(encoded)
        scores = self.network.judge(encoded.flatten(0, 1), reference.flatten(0, 1)).score
        return scores.view(-1, groups).mean(dim=1)

    def encode(self, images: Tensor, groups: int) -> Tensor:
        """Encode G groups of patches of (B,3,H,W) as (B,G,C,grid,grid), each group spread over the image."""
        side = self.card.patch_px
        images = mirror_to(self.normalise(images), side, side)
        patches = take_patches(images, self.origins(images, groups * self.patches_a_group), side)
        grouped = rearrange(patches, "b (p g) c h w -> (b g) p c h w", g=groups)
        chunks = grouped.split(max(PATCHES_AT_ONCE // self.patches_a_group, 1))
        encoded = torch.cat([self.network.encode(chunk) for chunk in chunks])
        return rearrange(encoded, "(b g) c h w -> b g c h w", g=groups)
