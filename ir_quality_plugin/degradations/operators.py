"""The operators: of (B,3,H,W) in [0,1], a strength a sample in its own unit, and a generator a sample."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from kornia.enhance import adjust_contrast, adjust_saturation, jpeg_codec_differentiable
from PIL import Image
from torch import Generator, Tensor
from torch.nn.functional import interpolate, pad

from . import kernels

Apply = Callable[[Tensor, Tensor, Sequence[Generator]], Tensor]


@dataclass(frozen=True)
class Operator:
    """One way to spoil a picture.

    Attributes:
        name: in the table.
        kind: blur, noise, compression, resize, colour or artefact.
        unit: of the strength.
        levels: the strengths of five levels, from hardly visible to severe.
        apply: of images (B,3,H,W) in [0,1], strengths (B,) and a generator a sample; the result is clamped to [0,1].
    """

    name: str
    kind: str
    unit: str
    levels: tuple[float, float, float, float, float]
    apply: Apply

    def __call__(self, images: Tensor, strength: Tensor, draw: Sequence[Generator]) -> Tensor:
        """Spoil images; no gradient passes."""
        with torch.no_grad():
            return self.apply(images, strength, draw).clamp(0, 1)

    def strength(self, level: float) -> float:
        """The strength of a level between 1 and 5, interpolated."""
        return float(np.interp(level, range(1, 6), self.levels))


def uniform(images: Tensor, draw: Sequence[Generator], low: float = 0.0, high: float = 1.0) -> Tensor:
    """A number a sample, (B,)."""
    drawn = torch.cat([torch.rand(1, generator=generator, device=generator.device) for generator in draw])
    return drawn.to(images) * (high - low) + low


def normal(images: Tensor, draw: Sequence[Generator], channels: int = 3) -> Tensor:
    """Standard normal noise of the images' size, (B,channels,H,W)."""
    shape = (channels, *images.shape[-2:])
    return torch.stack([torch.randn(shape, generator=g, device=g.device) for g in draw]).to(images)


def per_sample(strength: Tensor) -> Tensor:
    """(B,) as (B,1,1,1)."""
    return strength.view(-1, 1, 1, 1)


# -- blur


def gaussian_blur(images: Tensor, sigma_px: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Blur alike in all directions."""
    return kernels.blur(images, kernels.gaussian(sigma_px))


def anisotropic_blur(images: Tensor, sigma_px: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Blur more along one direction, drawn with the ratio."""
    ratio, angle = uniform(images, draw, 0.15, 0.5), uniform(images, draw, 0, torch.pi)
    return kernels.blur(images, kernels.gaussian(sigma_px, ratio, angle))


def motion_blur(images: Tensor, length_px: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Blur along a straight stroke in a drawn direction."""
    return kernels.blur(images, kernels.motion(length_px, uniform(images, draw, 0, torch.pi)))


def defocus_blur(images: Tensor, radius_px: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Blur as a lens out of focus."""
    return kernels.blur(images, kernels.disk(radius_px))


# -- noise


def gaussian_noise(images: Tensor, sigma_255: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Add noise, independent in each pixel and channel."""
    return images + per_sample(sigma_255 / 255) * normal(images, draw)


def grey_noise(images: Tensor, sigma_255: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Add noise that is the same in all channels."""
    return images + per_sample(sigma_255 / 255) * normal(images, draw, channels=1)


def correlated_noise(images: Tensor, sigma_255: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Add noise with a grain: blurred, and brought back to its strength."""
    grain = kernels.blur(normal(images, draw), kernels.gaussian(torch.full_like(sigma_255, 1.2)))
    return images + per_sample(sigma_255 / 255) * grain / grain.std(dim=(1, 2, 3), keepdim=True).clamp_min(1e-6)


def poisson_noise(images: Tensor, noise_at_grey_255: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Count photons: noise that grows with brightness."""
    # Photons at white for which a middle grey has the standard deviation that is asked for.
    photons = per_sample(0.5 / (noise_at_grey_255 / 255).square())
    expected = (images.clamp(0, 1) * photons).to(draw[0].device)
    counted = torch.stack([torch.poisson(e, generator=g) for e, g in zip(expected, draw, strict=True)])
    return counted.to(images) / photons


def impulse_noise(images: Tensor, share: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Turn pixels black or white."""
    shape = images.shape[-2:]
    dice = torch.stack([torch.rand((1, *shape), generator=g, device=g.device) for g in draw]).to(images)
    half = per_sample(share / 2)
    return images.masked_fill(dice < half, 0.0).masked_fill(dice > 1 - half, 1.0)


# -- compression


def jpeg(images: Tensor, quality: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Compress as JPEG."""
    height, width = images.shape[-2:]
    # The codec works on blocks of 16: the edge is repeated up to them, and cut off again.
    framed = pad(images, (0, -width % 16, 0, -height % 16), mode="replicate")
    return jpeg_codec_differentiable(framed, quality.clamp(1, 100))[..., :height, :width]


def _through_pillow(images: Tensor, strength: Tensor, save: Callable[[Image.Image, io.BytesIO, float], None]) -> Tensor:
    spoiled = []
    for image, value in zip(images, strength.tolist(), strict=True):
        pixels = (rearrange(image, "c h w -> h w c").clamp(0, 1) * 255).round().byte().cpu().numpy()
        buffer = io.BytesIO()
        save(Image.fromarray(pixels), buffer, value)
        read = torch.from_numpy(np.array(Image.open(buffer).convert("RGB")))
        spoiled.append(rearrange(read, "h w c -> c h w").to(images) / 255)
    return torch.stack(spoiled)


def webp(images: Tensor, quality: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Compress as WebP, one image after the other on the CPU."""
    return _through_pillow(images, quality, lambda picture, to, value: picture.save(to, "webp", quality=round(value)))


def jpeg2000(images: Tensor, psnr_db: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Compress as JPEG 2000, one image after the other on the CPU.

    To a PSNR and not to a size: a ratio that suits a photograph leaves nothing of a crop.
    """
    return _through_pillow(
        images,
        psnr_db,
        lambda picture, to, value: picture.save(to, "jpeg2000", quality_mode="dB", quality_layers=[value]),
    )


def quantisation(images: Tensor, levels: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Round to few levels a channel."""
    steps = per_sample(levels.round() - 1)
    return (images * steps).round() / steps


# -- resize


def resize(images: Tensor, factor: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Down by a factor and up again, each by one of three ways."""
    return _by_way_of(images, [factor], draw)


def resize_chain(images: Tensor, factor: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Down by a factor and up again over two sizes drawn in between, as a picture that was passed on several times."""
    going, returning = (factor ** uniform(images, draw, 0, 1) for _ in range(2))
    return _by_way_of(images, [going, factor, returning], draw)


def _by_way_of(images: Tensor, factors: Sequence[Tensor], draw: Sequence[Generator]) -> Tensor:
    """Each image resized to its own size over each of the factors in turn, each time in a way of its own."""
    smaller, larger = ("bicubic", "bilinear", "area"), ("bicubic", "bilinear")
    chain = [*factors, torch.ones_like(factors[0])]
    dice = [uniform(images, draw, 0, len(smaller)) for _ in chain]
    resized = []
    for index, image in enumerate(images.split(1)):
        for factor, die in zip(chain, dice, strict=True):
            size = [max(round(side / float(factor[index])), 1) for side in images.shape[-2:]]
            modes = smaller if size[0] < image.shape[-2] else larger
            image = _resized(image, size, modes[min(int(die[index]), len(modes) - 1)])
        resized.append(image)
    return torch.cat(resized)


def _resized(image: Tensor, size: list[int], mode: str) -> Tensor:
    if mode == "area":
        return interpolate(image, size, mode=mode)
    return interpolate(image, size, mode=mode, antialias=True, align_corners=False)


# -- colour


def contrast(images: Tensor, factor: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Draw values towards the mean of the image."""
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + adjust_contrast(images - mean, factor, clip_output=False)


def brightness(images: Tensor, shift: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Make the image darker or brighter, as drawn."""
    return images + per_sample(shift * _sign(images, draw))


def saturation(images: Tensor, factor: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Draw colours towards grey."""
    return adjust_saturation(images, factor)


def colour_shift(images: Tensor, shift: Tensor, draw: Sequence[Generator]) -> Tensor:
    """A cast: two channels, chosen at random, are moved against each other."""
    first = uniform(images, draw, 0, 3).long().clamp(max=2)
    step = uniform(images, draw, 1, 3).long().clamp(max=2)
    cast = torch.zeros(len(images), 3, device=images.device, dtype=images.dtype)
    rows = torch.arange(len(images), device=images.device)
    cast[rows, first], cast[rows, (first + step) % 3] = shift.to(cast), -shift.to(cast)
    return images + cast[:, :, None, None]


def _sign(images: Tensor, draw: Sequence[Generator]) -> Tensor:
    return torch.where(uniform(images, draw) < 0.5, -1.0, 1.0).to(images)


# -- artefacts


def block_loss(images: Tensor, share: Tensor, draw: Sequence[Generator], side_px: int = 16) -> Tensor:
    """Blocks lost on the way, each replaced by what lies left of it and half a block higher, or by the border."""
    height, width = images.shape[-2:]
    rows, columns = -(-height // side_px), -(-width // side_px)
    dice = torch.stack([torch.rand((rows, columns), generator=g, device=g.device) for g in draw]).to(images)
    lost = (dice < share[:, None, None]).repeat_interleave(side_px, 1).repeat_interleave(side_px, 2)
    beside = pad(images, (side_px, 0, side_px // 2, 0), mode="replicate")[..., :height, :width]
    return torch.where(lost[:, None, :height, :width], beside, images)


def ringing(images: Tensor, cutoff: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Cut high frequencies off sharply, so that edges ring."""
    return kernels.blur(images, kernels.low_pass(cutoff))


def over_sharpening(images: Tensor, amount: Tensor, draw: Sequence[Generator]) -> Tensor:
    """Exaggerate edges."""
    blurred = kernels.blur(images, kernels.gaussian(torch.full_like(amount, 1.5)))
    return images + per_sample(amount) * (images - blurred)


_TABLE = (
    Operator("gaussian_blur", "blur", "sigma in px", (0.7, 1.2, 2.0, 3.2, 5.0), gaussian_blur),
    Operator("anisotropic_blur", "blur", "larger sigma in px", (1.0, 1.8, 3.0, 5.0, 8.0), anisotropic_blur),
    Operator("motion_blur", "blur", "length in px", (3, 7, 11, 17, 25), motion_blur),
    Operator("defocus_blur", "blur", "radius in px", (0.8, 1.5, 2.5, 4.0, 6.0), defocus_blur),
    Operator("gaussian_noise", "noise", "sigma of 255", (4, 9, 17, 30, 50), gaussian_noise),
    Operator("grey_noise", "noise", "sigma of 255", (4, 9, 17, 30, 50), grey_noise),
    Operator("correlated_noise", "noise", "sigma of 255", (3, 6, 11, 19, 32), correlated_noise),
    Operator("poisson_noise", "noise", "sigma of 255 at middle grey", (4, 9, 17, 30, 50), poisson_noise),
    Operator("impulse_noise", "noise", "share of pixels", (0.002, 0.008, 0.025, 0.07, 0.16), impulse_noise),
    Operator("jpeg", "compression", "quality", (75, 45, 25, 12, 5), jpeg),
    Operator("webp", "compression", "quality", (70, 35, 15, 5, 0), webp),
    Operator("jpeg2000", "compression", "PSNR in dB", (38, 34, 30, 27, 24), jpeg2000),
    Operator("quantisation", "compression", "levels a channel", (40, 20, 12, 7, 4), quantisation),
    Operator("resize", "resize", "factor down and up", (1.4, 2.0, 3.0, 4.5, 7.0), resize),
    Operator("resize_chain", "resize", "largest factor", (1.4, 2.0, 3.0, 4.5, 7.0), resize_chain),
    Operator("contrast", "colour", "factor", (0.85, 0.7, 0.55, 0.4, 0.25), contrast),
    Operator("brightness", "colour", "shift up or down of 1", (0.06, 0.12, 0.2, 0.3, 0.42), brightness),
    Operator("saturation", "colour", "factor", (0.75, 0.5, 0.25, 0.1, 0.0), saturation),
    Operator("colour_shift", "colour", "shift of 1 in two channels", (0.03, 0.06, 0.1, 0.16, 0.25), colour_shift),
    Operator("block_loss", "artefact", "share of 16 px blocks", (0.01, 0.03, 0.07, 0.14, 0.28), block_loss),
    Operator("ringing", "artefact", "cutoff in radians a px", (2.2, 1.7, 1.3, 0.95, 0.65), ringing),
    Operator("over_sharpening", "artefact", "amount", (0.6, 1.3, 2.3, 4.0, 7.0), over_sharpening),
)
OPERATORS = {operator.name: operator for operator in _TABLE}
