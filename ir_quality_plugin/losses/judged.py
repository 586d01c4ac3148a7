"""Judged images of one step, as the losses that train scorers take them."""

from __future__ import annotations

from typing import NamedTuple

from einops import rearrange
from torch import Tensor

from ..errors import UsageError


class Judged(NamedTuple):
    """Judged images of one step, P patches each, RGB in [0,1].

    Attributes:
        restored: (B,P,3,h,w).
        mos: (B,) in the unit that the scorer is to give, higher is better.
        degraded: (B,P,3,h,w), the input that was restored, at the same places; None where nobody asks for it.
        reference: (B,P,3,h,w), the clean image at the same places.
        clean: (B,P,3,h,w), clean patches of any content.
        rival: (B,P,3,h,w), another restoration of the same content, at the same places.
        rival_mos: (B,), its score.
    """

    restored: Tensor
    mos: Tensor
    degraded: Tensor | None = None
    reference: Tensor | None = None
    clean: Tensor | None = None
    rival: Tensor | None = None
    rival_mos: Tensor | None = None


def flat(images: Tensor) -> Tensor:
    """Give (B,P,3,h,w) as (B*P,3,h,w)."""
    return rearrange(images, "b p c h w -> (b p) c h w")


def a_patch(mos: Tensor, images: Tensor) -> Tensor:
    """Repeat (B,) scores for each of the P patches of (B,P,3,h,w)."""
    return mos.repeat_interleave(images.shape[1])


def given(name: str, images: Tensor | None) -> Tensor:
    """What a loss cannot do without.

    Raises:
        UsageError: it is not there.
    """
    if images is None:
        raise UsageError(f"{name} is missing; expected it in the sample: the labels must name it")
    return images
