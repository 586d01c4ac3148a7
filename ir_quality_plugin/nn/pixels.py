"""Images as tensors: what is accepted, how it is normalised, and how two images are brought to one size."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import ImageError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# A network under training overshoots; beyond this the images are in other units (0..255, or already normalised).
OVERSHOOT = 0.5
# A resampled image of [0,1] overshoots by less (bicubic: 0.07 beside a full-range edge).
RESAMPLING_OVERSHOOT = 0.1


class Normalise(nn.Module):
    """Subtract a mean and divide by a standard deviation, a channel each.

    Args:
        mean: of red, green and blue, in units of [0,1].
        std: of red, green and blue, in units of [0,1].
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map (...,3,H,W) in [0,1] to the same shape, normalised."""
        return (images - self.mean) / self.std


def check_images(name: str, images: Tensor, min_px: int) -> None:
    """Refuse what is not a batch of float RGB images; shapes and types only, no value is read.

    Args:
        name: the argument's name, for the message.
        images: (B,3,H,W), floating point.
        min_px: least height and width in pixels.

    Raises:
        ImageError: says what was given, what was expected and how to go on.
    """
    if not isinstance(images, Tensor):
        raise ImageError(f"{name} is a {type(images).__name__}; expected a float tensor (B,3,H,W) in [0,1]")
    shape = tuple(images.shape)
    if images.ndim != 4:
        hint = f"add the batch axis: {name}[None]" if images.ndim == 3 else "pass one image a row of the batch"
        raise ImageError(f"{name} has shape {shape}; expected (B,3,H,W); {hint}")
    if images.shape[1] != 3:
        hint = f"repeat the grey channel: {name}.expand(-1, 3, -1, -1)" if images.shape[1] == 1 else "pass RGB alone"
        if images.shape[3] == 3:
            hint = f"channels come second: {name}.permute(0, 3, 1, 2)"
        raise ImageError(f"{name} has shape {shape}: {shape[1]} channels; expected 3 (RGB); {hint}")
    if images.shape[0] == 0:
        raise ImageError(f"{name} has shape {shape}: an empty batch; expected at least one image")
    if not images.is_floating_point():
        raise ImageError(
            f"{name} is {images.dtype}; expected floating point in [0,1]; for 8 bits: {name}.float() / 255"
        )
    if min(images.shape[-2:]) < min_px:
        raise ImageError(
            f"{name} is {shape[-2]}x{shape[-1]} pixels (HxW); expected at least {min_px}x{min_px}; "
            "score a larger crop, or enlarge the image yourself and say so with the score"
        )


def check_values(overshoot: dict[str, float], **images: Tensor) -> None:
    """Refuse NaN, Inf and values far outside [0,1]; reads the values, so a GPU waits once.

    Args:
        overshoot: how far each argument may leave [0,1].
        images: the batches, by argument name.

    Raises:
        ImageError: says what was found, what was expected and how to go on.
    """
    values = read_together(*(extreme for batch in images.values() for extreme in batch.detach().aminmax()))
    for name, low, high in zip(images, values[::2], values[1::2], strict=True):
        check_span(name, low, high, overshoot[name])


def read_together(*values: Tensor) -> list[float]:
    """Read scalars of one device by one copy, for which a GPU waits once."""
    return torch.stack(values).tolist()


def check_span(name: str, low: float, high: float, slack: float) -> None:
    """Refuse images whose least and largest value are not finite, or further than `slack` outside of [0,1].

    Raises:
        ImageError: says what was found, what was expected and how to go on.
    """
    if low >= -slack and high <= 1 + slack:
        return
    if not (abs(low) < float("inf") and abs(high) < float("inf")):
        raise ImageError(f"{name} holds NaN or Inf; expected finite values in [0,1]; look for where they arise first")
    hint = (
        f"divide by 255: {name} / 255" if high > 3 and low >= -slack else "undo the normalisation, or clamp the image"
    )
    raise ImageError(f"{name} spans [{low:.4g}, {high:.4g}]; expected [0,1]; {hint}")


def match_size(name: str, guide: Tensor, restored: Tensor) -> Tensor:
    """Bring a smaller image to the size of the restored one, by bicubic interpolation and an integer factor.

    Args:
        name: the guide's argument name, for the message.
        guide: (B,3,h,w) in [0,1].
        restored: (B,3,H,W), with H = k * h and W = k * w for a whole number k >= 1.

    Returns:
        (B,3,H,W); `guide` itself where the sizes agree; clamped to [0,1] where it was interpolated.

    Raises:
        ImageError: where there is no such factor.
    """
    size, small = tuple(restored.shape[-2:]), tuple(guide.shape[-2:])
    if small == size:
        return guide
    factor = size[0] // small[0]
    if factor < 1 or size != (small[0] * factor, small[1] * factor):
        raise ImageError(
            f"{name} is {small[0]}x{small[1]} and restored {size[0]}x{size[1]} pixels (HxW); expected the same size, "
            f"or {name} smaller by a whole factor on both sides; crop or resize one of them"
        )
    return functional.interpolate(guide, size=size, mode="bicubic", align_corners=False).clamp(0, 1)


def mirror_to(images: Tensor, height: int, width: int) -> Tensor:
    """Extend images below a size by mirroring at their right and bottom edges, as often as it takes.

    Unlike reflection padding this has no limit, and every pixel keeps its gradient.

    Args:
        images: (B,3,H,W).
        height: least height of the result in pixels.
        width: least width of the result in pixels.

    Returns:
        (B,3,max(H,height),max(W,width)); `images` itself where nothing is missing.
    """
    for axis, target in ((-2, height), (-1, width)):
        size = images.shape[axis]
        if size < target:
            period = torch.arange(target, device=images.device) % max(2 * size - 2, 1)
            images = images.index_select(axis, torch.minimum(period, 2 * size - 2 - period))
    return images


def resize_shorter(images: Tensor, side_px: int, mode: str) -> Tensor:
    """Resize so that the shorter side has `side_px` pixels, keeping the aspect in whole pixels.

    Args:
        images: (B,3,H,W).
        side_px: length of the shorter side of the result.
        mode: "bicubic" (antialiased) or "nearest".
    """
    height, width = images.shape[-2:]
    if height <= width:
        size = (side_px, int(side_px * width / height))
    else:
        size = (int(side_px * height / width), side_px)
    if size == (height, width):
        return images
    if mode == "nearest":
        return functional.interpolate(images, size=size, mode="nearest")
    return functional.interpolate(images, size=size, mode=mode, align_corners=False, antialias=True)
