"""How far the statistics of two images' feature maps lie apart, window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ..errors import ImageError

STABILISER = 1e-6
WINDOW = 4
TERMS = {"means": 0.2, "contrast": 0.6, "structure": 0.2}  # what each counts


def statistics_distance(restored: Sequence[Tensor], reference: Sequence[Tensor]) -> Tensor:
    """Compare means, variances and covariances, channel by channel, in windows of 4x4 values that overlap by half.

        means     = (2 mean_x mean_y + c) / (mean_x^2 + mean_y^2 + c)
        contrast  = (2 std_x std_y + c)   / (var_x + var_y + c)
        structure = (2 cov_xy + c)        / (var_x + var_y + c)
        distance  = 1 - mean over stages, channels and windows of 0.2 means + 0.6 contrast + 0.2 structure

    Contrast asks for as much texture in the same place, not for the same texture: this is what lets the distance agree
    with people about the outputs of GANs, where pixel metrics do not.

    Args:
        restored: the stages of the restored image, (B,C,H,W) each, any sizes; values of at least 0, as pixels and
            rectified features are. A stage of less than a window is one window.
        reference: the stages of the clean image, of the same shapes.

    Returns:
        (B,), from 0 for equal stages to 1.2, lower is better; symmetric; gradients reach both.

    Raises:
        ImageError: no stages, or shapes that differ.

    Source: DISTS (Ding et al., TPAMI 2022), equations 2 to 4, and the terms of SSIM (Wang et al., TIP 2004); deviation:
        windows and fixed weights, measured in docs/decisions.md, and whatever network the stages come from.
    """
    shapes = [[tuple(stage.shape) for stage in stages] for stages in (restored, reference)]
    if not shapes[0] or shapes[0] != shapes[1] or any(len(shape) != 4 for shape in shapes[0]):
        raise ImageError(
            f"stages have the shapes {shapes[0]} and {shapes[1]}; expected the same (B,C,H,W), at least one"
        )
    alike = [_similarity(ours, theirs).mean(dim=(1, 2, 3)) for ours, theirs in zip(restored, reference, strict=True)]
    return 1 - torch.stack(alike).mean(dim=0)


def _similarity(restored: Tensor, reference: Tensor) -> Tensor:
    """How alike two maps are, window by window: (B,C,h,w)."""
    first, second = _windows(restored), _windows(reference)
    ours, theirs = (
        (_windows(stage.square()) - mean.square()).clamp_min(0)
        for stage, mean in ((restored, first), (reference, second))
    )
    covariance = _windows(restored * reference) - first * second
    means = (2 * first * second + STABILISER) / (first.square() + second.square() + STABILISER)
    spread = ((ours + STABILISER) * (theirs + STABILISER)).sqrt()  # the root's slope at 0 would be infinite
    contrast = (2 * spread + STABILISER) / (ours + theirs + 3 * STABILISER)
    structure = (2 * covariance + STABILISER) / (ours + theirs + STABILISER)
    return TERMS["means"] * means + TERMS["contrast"] * contrast + TERMS["structure"] * structure


def _windows(stage: Tensor) -> Tensor:
    """Means of windows."""
    height, width = (min(WINDOW, side) for side in stage.shape[-2:])
    return avg_pool2d(stage, (height, width), (max(height // 2, 1), max(width // 2, 1)))


def stages_of(images: Tensor, encoder: Callable[[Tensor], Sequence[Tensor]]) -> list[Tensor]:
    """The pixels and an encoder's taps but the deepest: what `statistics_distance` compares.

    Args:
        images: (B,3,H,W) in [0,1].
        encoder: gives maps (B,C,h,w) of at least 0, such as `RestorationTeacher.encoder`.

    Returns:
        The images, then the maps, finest first; the deepest one knows what is shown rather than how well.
    """
    return [images, *encoder(images)[:-1]]
