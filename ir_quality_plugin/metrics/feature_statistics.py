"""How far the statistics of two images' feature maps lie apart: DISTS' formula with equal weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..errors import ImageError

STABILISER = 1e-6


def statistics_distance(restored: Sequence[Tensor], reference: Sequence[Tensor]) -> Tensor:
    """Compare means, variances and covariances, channel by channel.

        texture   = (2 mean_x mean_y + c) / (mean_x^2 + mean_y^2 + c)
        structure = (2 cov_xy + c) / (var_x + var_y + c)
        distance  = 1 - mean over stages of the mean over channels of (texture + structure) / 2

    Texture that is elsewhere, but alike, costs half of what texture that is lost does: this is what lets it agree with
    people about the outputs of GANs, where pixel metrics do not.

    Args:
        restored: the stages of the restored image, (B,C,H,W) each, any sizes; values of at least 0, as pixels and
            rectified features are.
        reference: the stages of the clean image, of the same shapes.

    Returns:
        (B,), from 0 for equal stages to 1.5, lower is better; symmetric; gradients reach both.

    Raises:
        ImageError: no stages, or shapes that differ.

    Source: DISTS (Ding et al., TPAMI 2022), equations 2 to 4; deviation: equal weights in place of fitted ones, and
        whatever network the stages come from.
    """
    shapes = [[tuple(stage.shape) for stage in stages] for stages in (restored, reference)]
    if not shapes[0] or shapes[0] != shapes[1] or any(len(shape) != 4 for shape in shapes[0]):
        raise ImageError(
            f"stages have the shapes {shapes[0]} and {shapes[1]}; expected the same (B,C,H,W), at least one"
        )
    alike = [_similarity(ours, theirs).mean(dim=1) for ours, theirs in zip(restored, reference, strict=True)]
    return 1 - torch.stack(alike).mean(dim=0)


def _similarity(restored: Tensor, reference: Tensor) -> Tensor:
    """Half texture, half structure: (B,C)."""
    first, second = (stage.mean(dim=(2, 3), keepdim=True) for stage in (restored, reference))
    ours, theirs = restored - first, reference - second
    variances = (ours.square() + theirs.square()).mean(dim=(2, 3))
    covariance = (ours * theirs).mean(dim=(2, 3))
    first, second = first.flatten(1), second.flatten(1)
    texture = (2 * first * second + STABILISER) / (first.square() + second.square() + STABILISER)
    structure = (2 * covariance + STABILISER) / (variances + STABILISER)
    return (texture + structure) / 2


def stages_of(images: Tensor, encoder: Callable[[Tensor], Sequence[Tensor]]) -> list[Tensor]:
    """The pixels and an encoder's taps: what `statistics_distance` compares.

    Args:
        images: (B,3,H,W) in [0,1].
        encoder: gives maps (B,C,h,w) of at least 0, such as `RestorationTeacher.encoder`.

    Returns:
        The images, then the maps.
    """
    return [images, *encoder(images)]
