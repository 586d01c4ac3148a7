"""CKDN as a scorer: against the degraded input, on the whole image."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor

from ..nn.crops import centre_crop
from ..nn.pixels import resize_shorter
from ..nn.rowwise import rowwise
from .scorer import Scorer

# Between features of the predictor, in pixels of the image.
STRIDE = 8
# Above so many pixels, features are made square by square: their memory is a square's.
LARGE_PX, SQUARE_PX = 2**22, 1024
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
        network = self.folded
        takes_gradient = torch.is_grad_enabled() and (restored.requires_grad or guide.requires_grad)
        if takes_gradient or torch.compiler.is_compiling():
            return rowwise(partial(self._judge, network), self.at_once(restored), restored, guide)
        if restored.shape[-2:].numel() > LARGE_PX and self.protocol == "whole":
            means = [
                self._mean_of_large(network, *pair) for pair in zip(restored[:, None], guide[:, None], strict=True)
            ]
            return self._head(network, torch.cat(means))
        return self._head(network, rowwise(partial(self._mean, network), self.at_once(restored), restored, guide))

    def _judge(self, network: Any, restored: Tensor, guide: Tensor) -> Tensor:
        return network(self._prepare(restored, "bicubic"), self._prepare(guide, "nearest")).degraded_reference.score

    def _mean(self, network: Any, restored: Tensor, guide: Tensor) -> Tensor:
        """The mean (B,D) over the predictor's features, without a graph."""
        seen = network.quality_encoder(self._prepare(restored, "bicubic"))
        difference = seen.sub_(network.degradation_encoder(self._prepare(guide, "nearest")))
        return network.predictor.pool(network.predictor.stage(difference)).flatten(1)

    def _head(self, network: Any, mean: Tensor) -> Tensor:
        """Scores from means over features, of all images at once: the head has more weights than a cache holds."""
        with torch.autocast(mean.device.type, enabled=False):
            mlp = network.predictor.mlp
            return mlp(mean.to(mlp[0].weight.dtype)).flatten().sigmoid()

    def _mean_of_large(self, network: Any, restored: Tensor, guide: Tensor) -> Tensor:
        """The mean of one image (1,3,H,W), its features made square by square: that of the whole, up to rounding.

        A square is seen with all that its features depend on, and the mean over features is taken over all squares.
        """
        reach = _reach(len(network.quality_encoder.stage), len(network.predictor.stage))
        sums, count = [], 0
        for top, left in product(*(range(0, side, SQUARE_PX) for side in restored.shape[-2:])):
            seen = [slice(max(start - reach, 0), start + SQUARE_PX + reach) for start in (top, left)]
            square = [self.prepare(images[..., seen[0], seen[1]]) for images in (restored, guide)]
            difference = network.quality_encoder(square[0]) - network.degradation_encoder(square[1])
            kept = [
                slice((start - cut.start) // STRIDE, (start - cut.start + SQUARE_PX) // STRIDE)
                for start, cut in zip((top, left), seen, strict=True)
            ]
            features = network.predictor.stage(difference)[..., kept[0], kept[1]]
            sums.append(features.sum(dim=(2, 3), dtype=torch.float64))
            count += features.shape[-2:].numel()
        return torch.stack(sums).sum(dim=0) / count

    def _prepare(self, images: Tensor, mode: str) -> Tensor:
        if self.protocol == "released":
            images = centre_crop(resize_shorter(images, RELEASED_RESIZE_PX, mode), RELEASED_CROP_PX)
        return self.prepare(images)


def _reach(encoder_depth: int, predictor_depth: int) -> int:
    """How far the pixels that a feature depends on reach out of its own square of 8, in pixels, rounded up to squares.

    3 of the 7x7 convolution at full resolution, 2 of the pool at a half, 4 of each 3x3 at a quarter, 8 at an eighth.
    """
    pixels = 3 + 2 + 4 * (encoder_depth + 1) + STRIDE * (predictor_depth - 1)
    return -(-pixels // STRIDE) * STRIDE
