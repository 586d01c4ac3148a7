"""Drive a metric up by changes that nobody sees, and down by ones that everybody does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..degradations import OPERATORS, Step, degrade
from ..errors import ImageError, ImageMemoryError, NoGradientError, UsageError
from ..integrations.metric import Metric
from ..nn.memory import ran_out_of_memory

# What quality naturally does: three ways to lose it, at five levels each.
LADDER = ("gaussian_blur", "gaussian_noise", "jpeg")
REDUCED = 4


@dataclass(frozen=True)
class Attack:
    """Projected gradient ascent within an L-infinity ball, the same for every metric.

    Args:
        epsilon_255: radius of the ball, in 1/255 of the range of a pixel: no pixel moves further.
        steps: of the ascent.
        step_255: size of the first step, along the sign of the gradient, in 1/255; they fall linearly to nothing, so
            that the ascent settles instead of leaping about the best picture.
        starts: how often it begins: first at the image itself, then at random places in the ball.
        seed: of these places, and of what the ladder draws.

    Raises:
        UsageError: numbers that make no ascent.
    """

    epsilon_255: int = 2
    steps: int = 20
    step_255: float = 1.0
    starts: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.epsilon_255 >= 1 and self.steps >= 1 and self.starts >= 1 and 0 < self.step_255 < math.inf):
            raise UsageError(f"{self}; expected epsilon_255, steps and starts of at least 1, and step_255 above 0")

    def pace(self, step: int) -> float:
        """Size of a step, as a share of the range of a pixel."""
        return self.step_255 / 255 * (1 - step / self.steps)


class Images(NamedTuple):
    """One restored image and what it is judged against, (1,3,H,W) RGB in [0,1]; None where there is none."""

    restored: Tensor
    degraded: Tensor | None = None
    reference: Tensor | None = None


class Ascent(NamedTuple):
    """Where the ascent ends.

    Attributes:
        gamed: (1,3,H,W), on the grid of 8 bits, as it would be saved.
        scores: of the best image of each start, rounded to 8 bits, in the metric's own direction; never worse than the
            image itself, which whoever games a metric may always keep.
        gradient_l1: sum of the absolute gradient of the score by the pixels, at the image itself.
    """

    gamed: Tensor
    scores: list[float]
    gradient_l1: float


def to_8_bits(images: Tensor) -> Tensor:
    """Round to the grid of 8 bits."""
    return (images * 255).round() / 255


def prepare(images: Images, side_px: int) -> Images:
    """Cut the middle out of all, aligned, and make the degraded input where it is missing.

    Args:
        images: the degraded one may be smaller by a whole factor.
        side_px: greatest height and width that are kept of the restored image.

    Returns:
        The restored image on the grid of 8 bits; a degraded one that was missing is the image, cut to whole multiples
        of four, reduced four times (bicubic, antialiased).

    Raises:
        ImageError: sizes that do not belong together, or an image below 32 pixels.
    """
    height, width = images.restored.shape[-2:]
    factor = REDUCED if images.degraded is None else max(height // images.degraded.shape[-2], 1)
    small = tuple(images.degraded.shape[-2:]) if images.degraded is not None else None
    if small is not None and (height, width) != (small[0] * factor, small[1] * factor):
        raise ImageError(f"degraded is {small[0]}x{small[1]} and restored {height}x{width} pixels (HxW), no multiple")
    if images.reference is not None and images.reference.shape != images.restored.shape:
        raise ImageError(
            f"reference is {tuple(images.reference.shape[-2:])} and restored {(height, width)} pixels (HxW); expected "
            "the same size"
        )
    sides = [min(side, side_px) // factor * factor for side in (height, width)]
    if min(sides) < 32:
        raise ImageError(f"restored is {height}x{width} pixels (HxW); expected at least 32x32")
    top, left = ((full - side) // 2 // factor * factor for full, side in zip((height, width), sides, strict=True))

    def cut(image: Tensor, by: int) -> Tensor:
        (y, x), (h, w) = (top // by, left // by), (sides[0] // by, sides[1] // by)
        return image[..., y : y + h, x : x + w]

    restored = to_8_bits(cut(images.restored, 1))
    if images.degraded is None:
        size = [side // factor for side in sides]
        degraded = interpolate(restored, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    else:
        degraded = cut(images.degraded, factor)
    return Images(restored, degraded, None if images.reference is None else cut(images.reference, 1))


def ladder(clean: Tensor, seed: int) -> list[Tensor]:
    """A picture spoiled in three ways at five levels each, (1,3,H,W) every one."""
    plans = [[Step(name, OPERATORS[name].strength(level), seed + level)] for name in LADDER for level in range(1, 6)]
    return list(degrade(clean.expand(len(plans), -1, -1, -1), plans).split(1))


def value(metric: Metric, images: Images, picture: Tensor) -> float:
    """Score of a picture in the place of the restored image.

    Raises:
        ImageError: what the metric cannot score, or gives no number for.
    """
    with torch.no_grad():
        score = metric(picture.clone(), images.degraded, images.reference).item()
    if not math.isfinite(score):
        raise ImageError(f"{metric.name} gives {score}, which is no number to compare with")
    return score


def gradient_of(metric: Metric, images: Images, picture: Tensor) -> tuple[float, Tensor]:
    """Score of a picture, and the gradient by it, which may be zero everywhere.

    Raises:
        NoGradientError: the metric is not differentiable.
        ImageError: its score or gradient is no number.
    """
    score, gradient = raw_gradient(metric, images, picture)
    broken = int((~gradient.isfinite()).sum())
    if broken or not math.isfinite(score):
        raise ImageError(
            f"{metric.name} gives the score {score:.4g} and a gradient that is no number at {broken} of "
            f"{gradient.numel()} values; there is no way up to follow"
        )
    return score, gradient


def raw_gradient(metric: Metric, images: Images, picture: Tensor) -> tuple[float, Tensor]:
    """Score of a picture, and the gradient by it as it comes; the metric gets a copy, which it may change in place.

    Raises:
        NoGradientError: none reaches the picture.
        ImageMemoryError: there is too little memory for it.
    """
    picture = picture.detach().requires_grad_()
    with torch.enable_grad():
        score = metric(picture.clone(), images.degraded, images.reference).sum()
    gradient = None
    try:
        if score.requires_grad:
            (gradient,) = torch.autograd.grad(score, picture, allow_unused=True)
    except RuntimeError as error:
        if ran_out_of_memory(error):
            raise ImageMemoryError(
                f"{metric.name}: {picture.device} ran out of memory; take a smaller --side"
            ) from error
        # Some of pyiqa's metrics change in place what their gradient needs
        raise NoGradientError(
            f"{metric.name} is not differentiable: {next(iter(str(error).splitlines()), '')}"
        ) from error
    if gradient is None:
        raise NoGradientError(f"{metric.name} is not differentiable: no gradient reaches the image")
    return score.item(), gradient


def has_gradient(metric: Metric, images: Images, attack: Attack) -> bool:
    """Whether a metric can be climbed: some gradient reaches a picture beside the image, where none is at its best."""
    try:
        _, gradient = raw_gradient(metric, images, place_in_ball(images, attack, start=1))
    except NoGradientError:
        return False
    return bool(gradient.any())


def place_in_ball(images: Images, attack: Attack, start: int) -> Tensor:
    """Where an ascent begins: the image itself at first, then a random place in the ball; the same for every metric."""
    if start == 0:
        return images.restored
    low, high = ball(images, attack)
    draw = torch.Generator().manual_seed(attack.seed + start)
    return low + (high - low) * torch.rand(images.restored.shape, generator=draw).to(images.restored)


def ball(images: Images, attack: Attack) -> tuple[Tensor, Tensor]:
    """Lowest and highest value that each pixel may take, also within [0,1]."""
    epsilon = attack.epsilon_255 / 255
    return (images.restored - epsilon).clamp(min=0), (images.restored + epsilon).clamp(max=1)


def ascend(metric: Metric, images: Images, attack: Attack) -> Ascent:
    """Drive a metric up within the ball, from each start, and keep the best picture as 8 bits hold it.

    Args:
        metric: of either direction; the ascent is towards better.
        images: of `prepare`.
        attack: its numbers.

    Raises:
        ImageError: what the metric cannot score, or has no gradient for.
    """
    _, gradient = gradient_of(metric, images, images.restored)
    kept = value(metric, images, images.restored), images.restored
    ends = [climb(metric, images, attack, start) for start in range(attack.starts)]
    if not any(ends):
        raise ImageError(f"{metric.name} has no gradient here: it is zero everywhere, from each start")
    best = [max((kept, *end), key=lambda found: metric.sign * found[0]) for end in ends]
    gamed = max(best, key=lambda found: metric.sign * found[0])[1]
    return Ascent(gamed, [score for score, _ in best], gradient.abs().sum().item())


def climb(metric: Metric, images: Images, attack: Attack, start: int) -> list[tuple[float, Tensor]]:
    """Go up from one start.

    Returns:
        Score and picture, rounded to 8 bits, of the best place on the way and of the last one; none where the gradient
        is zero at the start.
    """
    low, high = ball(images, attack)
    moved = best = place_in_ball(images, attack, start)
    best_score = -math.inf
    for step in range(attack.steps):
        score, slope = gradient_of(metric, images, moved)
        if metric.sign * score > best_score:
            best, best_score = moved, metric.sign * score
        if not slope.any():  # a summit, or flat: no step leads on
            break
        moved = (moved + metric.sign * attack.pace(step) * slope.sign()).clamp(low, high)
    else:
        step = attack.steps
    return [(value(metric, images, end), end) for end in map(to_8_bits, (best, moved))] if step else []
