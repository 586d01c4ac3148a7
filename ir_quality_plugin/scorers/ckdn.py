"""CKDN as a scorer: against the degraded input, on the whole image."""

from __future__ import annotations

from torch import Tensor

from ..nn.crops import centre_crop
from ..nn.pixels import resize_shorter
from ..nn.rowwise import rowwise
from .scorer import Scorer

RELEASED_RESIZE_PX = 329
RELEASED_CROP_PX = 288


class CKDNScorer(Scorer):
    """The degraded-reference score, or the full-reference one where the card's reference is "aligned".

    Any size from 32 px: protocol "whole" gives the network the whole image as it is, above and below its native
    288 px, and gradients reach every pixel. Protocol "released" resizes the shorter side to 329 px (the restored image
    bicubic, the other nearest) and sees only the central 288 px: the authors' calibration, but no gradient outside.

    Source: CKDN, inference path; deviation: protocol "whole" instead of the release's resize and crop.
    """

    protocols = ("whole", "released")

    def score(self, restored: Tensor, guide: Tensor) -> Tensor:
        """Score (B,3,H,W) against `guide` of the same shape as (B,)."""
        images = ((restored, "bicubic"), (guide, "nearest"))
        prepared = [self._prepare(image, mode) for image, mode in images]
        return rowwise(self._judge, self.at_once(prepared[0]), *prepared)

    def _judge(self, restored: Tensor, guide: Tensor) -> Tensor:
        return self.folded(restored, guide).degraded_reference.score

    def _prepare(self, images: Tensor, mode: str) -> Tensor:
        if self.protocol == "released":
            images = centre_crop(resize_shorter(images, RELEASED_RESIZE_PX, mode), RELEASED_CROP_PX)
        return self.prepare(images)
