"""CKDN (Zheng et al., ICCV 2021): quality against the degraded input, knowledge of pristine images distilled in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..nn.resnet import EXPANSION, residual_stage


class Prediction(NamedTuple):
    """A probability in (0,1), `score`, and the value before the sigmoid, `logit`; both (B,)."""

    score: Tensor
    logit: Tensor


class CKDNOutput(NamedTuple):
    """What CKDN returns: None where the images that a branch needs were not given.

    `degraded_reference` and `full_reference` are qualities of the restored image, higher is better;
    `preference` is the probability that the rival is the better one; `alignment` (B,) is the mean squared distance of
    degraded and pristine image in the reference space, gradients on both sides.
    """

    degraded_reference: Prediction | None
    full_reference: Prediction | None
    preference: Prediction | None
    alignment: Tensor | None


class Encoder(nn.Module):
    """A strided 7x7 convolution, a max-pool and the first residual stage; no BatchNorm or ReLU after the convolution.

    Args:
        stem_width: channels of the convolution.
        planes: bottleneck width of the stage.
        depth: bottlenecks in the stage.
        expansion: output width over `planes`.
    """

    def __init__(self, stem_width: int, planes: int, depth: int, expansion: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, stem_width, 7, 2, 3, bias=False)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.stage = residual_stage(stem_width, planes, depth, 1, expansion)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B,3,H,W) to (B, planes * expansion, H/4, W/4)."""
        return self.stage(self.pool(self.conv(images)))


class ScorePredictor(nn.Module):
    """The second residual stage, global average pooling and an MLP with a sigmoid at its end.

    Args:
        in_channels: width of the difference that is judged.
        planes: bottleneck width of the stage.
        depth: bottlenecks in the stage.
        expansion: output width over `planes`.
        hidden: width of the MLP's two hidden layers.
        dropout: of the hidden layers, in [0,1).
    """

    def __init__(self, in_channels: int, planes: int, depth: int, expansion: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.stage = residual_stage(in_channels, planes, depth, 2, expansion)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.mlp = nn.Sequential(
            nn.Linear(planes * expansion, hidden), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden, 1),
        )  # fmt: skip

    def forward(self, difference: Tensor) -> Prediction:
        """Map (B, in_channels, H, W) to a prediction a sample."""
        pooled = self.pool(self.stage(difference)).flatten(1)
        # Under autocast too in the weights' precision: eight bits would leave few scores to tell apart.
        with torch.autocast(pooled.device.type, enabled=False):
            logit = self.mlp(pooled.to(self.mlp[0].weight.dtype)).flatten()
        return Prediction(logit.sigmoid(), logit)


class CKDN(nn.Module):
    """The conditional knowledge distillation network: inference path and training branches.

    With r the restored image, r' a rival, d the degraded input and p the pristine image, all normalised:

        degraded_reference = predictor(quality(r) - degradation(d))
        full_reference     = predictor(quality(r) - degradation(p))
        preference         = preference_predictor(quality(r) - quality(r'))
        alignment          = mean((degradation(d) - degradation(p))^2)

    Args:
        stem_width: channels of the encoders' convolution.
        planes: bottleneck widths of the encoders' stage and of the predictors' stage.
        depths: bottlenecks in each.
        expansion: output width of a stage over its planes.
        hidden: width of the predictors' MLPs.
        dropout: of the predictors' hidden layers, in [0,1).

    Source: CKDN, figure 2 (QSE, DTE, CSP), as released; deviations: none.
    """

    in_full_precision = ("predictor.mlp", "preference_predictor.mlp")

    def __init__(
        self,
        stem_width: int = 64,
        planes: Sequence[int] = (64, 128),
        depths: Sequence[int] = (3, 4),
        expansion: int = EXPANSION,
        hidden: int = 2048,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if len(planes) != 2 or len(depths) != 2:
            raise UsageError(
                f"planes={planes} and depths={depths}; expected two each: the encoders' and the predictors'"
            )
        self.quality_encoder = Encoder(stem_width, planes[0], depths[0], expansion)
        self.degradation_encoder = Encoder(stem_width, planes[0], depths[0], expansion)
        width = planes[0] * expansion
        self.predictor = ScorePredictor(width, planes[1], depths[1], expansion, hidden, dropout)
        self.preference_predictor = ScorePredictor(width, planes[1], depths[1], expansion, hidden, dropout)

    def forward(
        self,
        restored: Tensor,
        degraded: Tensor | None = None,
        pristine: Tensor | None = None,
        rival: Tensor | None = None,
    ) -> CKDNOutput:
        """Run the branches that the given images allow.

        Args:
            restored: (B,3,H,W), normalised with ImageNet's mean and standard deviation (released weights).
            degraded: the same shape; the input that was restored.
            pristine: the same shape; the clean image.
            rival: the same shape; another restoration of the same input.

        Returns:
            A `CKDNOutput`; gradients reach every image.
        """
        quality = self.quality_encoder(restored)
        degraded_space = None if degraded is None else self.degradation_encoder(degraded)
        pristine_space = None if pristine is None else self.degradation_encoder(pristine)
        alignment = None
        if degraded_space is not None and pristine_space is not None:
            alignment = (degraded_space - pristine_space).square().mean(dim=(1, 2, 3))
        return CKDNOutput(
            degraded_reference=None if degraded_space is None else self.predictor(quality - degraded_space),
            full_reference=None if pristine_space is None else self.predictor(quality - pristine_space),
            preference=None if rival is None else self.preference_predictor(quality - self.quality_encoder(rival)),
            alignment=alignment,
        )
