"""TeacherIQA as a scorer: blind, on a grid of patches."""

from __future__ import annotations

from collections import Counter

from einops import rearrange
from torch import Tensor

from ..nn.crops import take_patches
from ..nn.pixels import mirror_to
from ..nn.rowwise import rowwise
from .patches import PatchScorer


class TeacherIQAScorer(PatchScorer):
    """The mean of the student's scores over patches; no reference.

    Any size from 32 px: below 224 px a side is mirrored up to it; above, the grid has 25 patches or as many as cover
    the image, and gradients reach every pixel of it.

    Source: TeacherIQA; deviation: a covering grid where the release draws 25 random crops (protocol "released").
    """

    def score(self, restored: Tensor, guide: None = None) -> Tensor:
        """Score (B,3,H,W) as (B,)."""
        images = mirror_to(self.prepare(restored), self.card.patch_px, self.card.patch_px)
        # On an image hardly larger than a patch, many of them fall on the same place: each is scored once.
        times = Counter(self.origins(images, self.count(restored)))
        patches = rearrange(take_patches(images, list(times), self.card.patch_px), "b p c h w -> (b p) c h w")
        scores = rowwise(lambda piece: self.folded(piece).score, self.at_once(patches), patches)
        weights = scores.new_tensor(list(times.values())) / times.total()
        return rearrange(scores, "(b p) -> b p", b=len(restored)) @ weights
