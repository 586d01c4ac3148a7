"""Blur kernels, one a sample: (B,k,k), odd k, summing to one."""

from __future__ import annotations

import math

import torch
from kornia.filters import filter2d, get_motion_kernel2d
from torch import Tensor
from torch.nn.functional import pad


def blur(images: Tensor, kernels: Tensor) -> Tensor:
    """Filter (B,3,H,W) by (B,k,k), edges mirrored; a kernel larger than the image is cut to it."""
    widest = 2 * min(images.shape[-2:]) - 1
    excess = max(kernels.shape[-1] - widest, 0)
    if excess:
        cut = math.ceil(excess / 2)
        kernels = kernels[:, cut:-cut, cut:-cut]
        kernels = kernels / kernels.sum(dim=(1, 2), keepdim=True)
    return filter2d(images, kernels)


def _grid(radius_px: int, like: Tensor) -> tuple[Tensor, Tensor]:
    steps = torch.arange(-radius_px, radius_px + 1, device=like.device, dtype=like.dtype)
    return steps[None, :, None], steps[None, None, :]


def gaussian(sigma_px: Tensor, ratio: Tensor | None = None, angle: Tensor | None = None) -> Tensor:
    """Gaussian kernels; with a ratio, the second axis has `ratio` times the sigma, turned by `angle` radians."""
    y, x = _grid(max(math.ceil(3 * float(sigma_px.max())), 1), sigma_px)
    ratio = torch.ones_like(sigma_px) if ratio is None else ratio
    angle = torch.zeros_like(sigma_px) if angle is None else angle
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    along, across = x * cosine + y * sine, y * cosine - x * sine
    sigma, other = sigma_px[:, None, None], (sigma_px * ratio)[:, None, None]
    return _normalised(torch.exp(-(along / sigma).square() / 2 - (across / other).square() / 2))


def disk(radius_px: Tensor) -> Tensor:
    """The kernel of a lens out of focus, its edge softened over a pixel."""
    y, x = _grid(max(math.ceil(float(radius_px.max())) + 1, 1), radius_px)
    return _normalised((radius_px[:, None, None] + 0.5 - (x.square() + y.square()).sqrt()).clamp(0, 1))


def motion(length_px: Tensor, angle: Tensor) -> Tensor:
    """Straight strokes of a length, turned by `angle` radians."""
    sizes = [max(round(float(length)) // 2 * 2 + 1, 3) for length in length_px]
    widest = max(sizes)
    strokes = []
    for size, turn in zip(sizes, angle, strict=True):
        stroke = get_motion_kernel2d(size, turn.rad2deg()[None], mode="bilinear")[0].to(length_px)
        strokes.append(pad(stroke, [(widest - size) // 2] * 4))
    return _normalised(torch.stack(strokes))


def low_pass(cutoff: Tensor, radius_px: int = 10) -> Tensor:
    """The ideal low-pass, whose ringing over-compressed and over-sharpened pictures show; cutoff in radians a pixel."""
    y, x = _grid(radius_px, cutoff)
    distance = (x.square() + y.square()).sqrt().clamp_min(1e-6)
    frequency = cutoff[:, None, None]
    return _normalised(frequency * torch.special.bessel_j1(frequency * distance) / (2 * math.pi * distance))


def _normalised(kernels: Tensor) -> Tensor:
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)
