"""TeacherIQA as a scorer: blind, on a grid of patches."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor

from .patches import PATCHES_AT_ONCE, PatchScorer


class TeacherIQAScorer(PatchScorer):
    """The mean of the student's scores over patches; no reference.

    Any size from 32 px: below 224 px a side is mirrored up to it; above, the grid has 25 patches or as many as cover
    the image, and gradients reach every pixel of it.

    Source: TeacherIQA; deviation: a covering grid where the release draws 25 random crops (protocol "released").
    """

    def score(self, restored: Tensor, guide: None = None) -> Tensor:
        """Score (B,3,H,W) as (B,)."""
        patches = self.cut(self.normalise(restored), self.count(restored))
        flat = rearrange(patches, "b p c h w -> (b p) c h w")
        scores = torch.cat([self.network(chunk).score for chunk in flat.split(PATCHES_AT_ONCE)])
        return rearrange(scores, "(b p) -> b p", b=len(restored)).mean(dim=1)
