"""A perceptual distance in the features of the label-free restoration teacher."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..catalog import read_teacher
from ..errors import ImageError, UsageError, nearest
from ..models.teacher_iqa import STRIDE, Knowledge
from ..nn.pixels import check_images, match_size, mirror_to, read_together
from ..nn.resnet import Pyramid
from ..scorers.frozen import Frozen
from .functional import REDUCTIONS, inside, reduce

LAYERS = (*Pyramid._fields, *Knowledge._fields)


class TeacherFeatureLoss(nn.Module):
    """The distance of restored and clean image in the TeacherIQA teacher's features.

        loss = loss_weight * reduction(sum over layers of weight * mean |f(restored) - f(reference)|^p)

    Args:
        teacher: the scorer of the catalogue that started from it: "teacheriqa" or "teacheriqa-s".
        layers: weight of each layer: the encoder's taps `stem`, `stage1` to `stage4`, the `bottom`, and the decoder's
            `map16`, `map8`, `map4`.
        distance: "l1" (p = 1) or "l2" (p = 2).
        loss_weight: factor of the loss.
        reduction: "none" (B,), "mean" or "sum".
        weights: of the teacher, or of its scorer: "default", "random" or a path.

    Raises:
        UsageError: an unknown teacher, layer or distance.

    Source: TeacherIQA's teacher as a perceptual loss (Johnson et al., ECCV 2016); deviation: not in the paper.
    """

    def __init__(
        self,
        teacher: str = "teacheriqa-s",
        layers: Mapping[str, float] | None = None,
        distance: Literal["l1", "l2"] = "l1",
        loss_weight: float = 1.0,
        reduction: Literal["none", "mean", "sum"] = "mean",
        weights: str | Path = "default",
    ) -> None:
        super().__init__()
        self.layers = dict(layers or {"stage1": 1.0, "stage2": 1.0, "map4": 1.0})
        unknown = [name for name in self.layers if name not in LAYERS]
        if unknown:
            raise UsageError(f"layers has {unknown[0]!r}; {nearest(unknown[0], LAYERS)}")
        if distance not in ("l1", "l2") or reduction not in REDUCTIONS:
            raise UsageError(
                f"distance={distance!r}, reduction={reduction!r}; expected l1 or l2, and none, mean or sum"
            )
        card, network = read_teacher(teacher, weights)
        self.teacher = Frozen(network, card.normalisation)
        self.distance, self.loss_weight, self.reduction = distance, float(loss_weight), reduction
        self.needs = {"reference"}
        self.log: dict[str, Tensor] = {}

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """The features of each chosen layer, for images (B,3,H,W) in [0,1] of any size."""
        height, width = (-(-side // STRIDE) * STRIDE for side in images.shape[-2:])
        images = self.teacher.normalise(mirror_to(images.to(self.teacher.dtype), height, width))
        network = self.teacher.folded
        if not set(self.layers) & set(Knowledge._fields):
            found = network.encoder(images)._asdict()
        else:
            knowledge, taps = network.understand(images)
            found = {**taps._asdict(), **knowledge._asdict()}
        return {name: found[name] for name in self.layers}

    def forward(self, restored: Tensor, reference: Tensor, **ignored: Any) -> Tensor:
        """Compute the loss.

        Args:
            restored: (B,3,H,W) RGB, nominally in [0,1]; clamped with a gradient that never points outwards.
            reference: (B,3,H,W) RGB in [0,1]; the clean image.
            ignored: what other losses of the package take.

        Returns:
            A scalar, or (B,) for reduction "none"; at least 0, lower is better; gradients reach `restored` alone.

        Raises:
            ImageError: wrong type, shape or size, NaN or Inf.
        """
        for name, images in (("restored", restored), ("reference", reference)):
            check_images(name, images, min_px=STRIDE)
        finite = [images.detach().isfinite().all() for images in (restored, reference)]
        for name, sound in zip(("restored", "reference"), read_together(*finite), strict=True):
            if not sound:
                raise ImageError(f"{name} holds NaN or Inf; expected finite values; look for where they arise first")
        reference = match_size("reference", reference.detach(), restored)
        with torch.autocast(restored.device.type, enabled=False):
            clean = self.features(reference)
            terms = [
                weight * self._distance(feature, clean[name])
                for (name, weight), feature in zip(
                    self.layers.items(), self.features(inside(restored)).values(), strict=True
                )
            ]
            term = torch.stack(terms).sum(dim=0)
        self.log = {"term": term.detach().mean(), "factor": torch.tensor(self.loss_weight)}
        return self.loss_weight * reduce(term, self.reduction)

    def _distance(self, feature: Tensor, clean: Tensor) -> Tensor:
        difference = (feature - clean).flatten(1)
        return difference.abs().mean(dim=1) if self.distance == "l1" else difference.square().mean(dim=1)
