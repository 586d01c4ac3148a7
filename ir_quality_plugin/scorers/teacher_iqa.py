"""TeacherIQA as a scorer: blind, on a grid of patches."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import torch
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
        judge = partial(self._judge, self.folded)
        side = self.card.patch_px
        images = mirror_to(restored, side, side)
        # On an image hardly larger than a patch, many of them fall on the same place: each is scored once.
        times = Counter(self.origins(images, self.count(restored)))
        if torch.is_grad_enabled() and images.requires_grad:
            patches = take_patches(images, list(times), side).flatten(0, 1)
            scores = rowwise(judge, self.at_once(patches), patches)
        else:
            scores = torch.cat([judge(piece) for piece in self.pieces(images, list(times))])
        weights = scores.new_tensor(list(times.values())) / times.total()
        # Not as a matrix product, which autocast would round to eight bits.
        return (scores.view(len(restored), -1) * weights).sum(dim=1)

    def _judge(self, network: Any, patches: Tensor) -> Tensor:
        return network(self.prepare(patches)).score
