"""Triplets made of clean photographs: a crop, a degraded version of it, and a restoration of that."""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..degradations import Degrader, Step, degrade
from ..errors import ImageError, UsageError
from .restorers import RESTORERS, Case, restore, to_8_bits

# What befalls a picture that is not reduced, and what a reduced one may have on top.
SPOIL = Degrader(
    [
        "gaussian_blur", "anisotropic_blur", "motion_blur", "defocus_blur", "gaussian_noise", "grey_noise",
        "correlated_noise", "poisson_noise", "jpeg", "webp", "jpeg2000",
    ],
    steps=(1, 2),
    levels=(1, 3.5),
)  # fmt: skip
FAINT = Degrader(["gaussian_noise", "poisson_noise", "jpeg", "gaussian_blur"], steps=(0, 1), levels=(1, 2.5))
PLACES = 4
MAX_STEM = 40


@dataclass(frozen=True)
class Making:
    """How triplets are made.

    Attributes:
        seed: of everything that is drawn.
        crop_px: side of the clean crop, divisible by every scale.
        scales: factors by which inputs are reduced, equally likely; 1 for inputs of the crop's size.
        inputs: degraded inputs of each photograph.
        restorations: restorations of each input, by different restorers.

    Raises:
        UsageError: impossible numbers.
    """

    seed: int = 0
    crop_px: int = 192
    scales: tuple[int, ...] = (1, 4)
    inputs: int = 2
    restorations: int = 4

    def __post_init__(self) -> None:
        if not self.scales or min(self.scales) < 1 or len(set(self.scales)) < len(self.scales):
            raise UsageError(f"scales={self.scales}; expected different whole numbers of at least 1")
        if any(self.crop_px % scale or self.crop_px // scale < 16 for scale in self.scales):
            raise UsageError(
                f"crop_px={self.crop_px}; expected a multiple of each scale ({', '.join(map(str, self.scales))}) that "
                "leaves inputs of at least 16 px"
            )
        if self.inputs < 1 or self.restorations < 1:
            raise UsageError(f"inputs={self.inputs}, restorations={self.restorations}; expected at least 1")


class PlannedInput(NamedTuple):
    """One degraded input and its restorations.

    Attributes:
        scale: by which it is reduced.
        steps: of its degradation, after the reduction.
        restorers: names, and the seed of each.
    """

    scale: int
    steps: tuple[Step, ...]
    restorers: tuple[tuple[str, int], ...]


def content_of(file_name: str) -> str:
    """A name for a photograph's crop that no other file's has: its stem in plain letters, and a digest of its name."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", file_name.rpartition(".")[0])[:MAX_STEM].strip("_")
    return f"{plain or 'photograph'}-{hashlib.sha256(file_name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def plan(content: str, making: Making, networks: Mapping[str, int]) -> list[PlannedInput]:
    """Draw what is made of a photograph; it depends on the arguments alone.

    Args:
        content: name of the photograph.
        making: how.
        networks: scales of the user's own networks, by name.

    Raises:
        UsageError: more restorations are asked for than there are restorers.
    """
    planned = []
    for index in range(making.inputs):
        draw = random.Random(f"{making.seed}/{content}/{index}")
        scale = draw.choice(making.scales)
        steps = (SPOIL if scale == 1 else FAINT).plan(draw.getrandbits(62))
        families = {name: restorer.family for name, restorer in RESTORERS.items() if restorer.takes(scale)}
        families |= {name: "network" for name, factor in networks.items() if factor == scale}
        if making.restorations > len(families):
            raise UsageError(f"restorations={making.restorations}; scale {scale} has {len(families)} restorers")
        sizes = Counter(families.values())
        # Drawn without replacement, a family as often as any other (Efraimidis and Spirakis, 2006).
        order = {name: math.log(1 - draw.random()) * sizes[family] for name, family in families.items()}
        chosen = sorted(order, key=lambda name: order[name], reverse=True)[: making.restorations]
        planned.append(PlannedInput(scale, tuple(steps), tuple((name, draw.getrandbits(32)) for name in chosen)))
    return planned


def crop(photograph: Tensor, side_px: int, seed: str) -> Tensor:
    """Cut a square: of a few places the one with most detail, since a patch of sky tells no restorer from another.

    Args:
        photograph: (3,H,W) in [0,1].
        side_px: of the square.
        seed: of the places.

    Raises:
        ImageError: the photograph is smaller.
    """
    height, width = photograph.shape[1:]
    if min(height, width) < side_px:
        raise ImageError(f"it is {height}x{width} pixels (HxW); expected at least {side_px}x{side_px}")
    draw = random.Random(seed)
    places = [(draw.randint(0, height - side_px), draw.randint(0, width - side_px)) for _ in range(PLACES)]
    crops = [photograph[:, top : top + side_px, left : left + side_px] for top, left in places]
    return max(crops, key=lambda each: float(each.diff(dim=1).abs().mean() + each.diff(dim=2).abs().mean()))


def degraded_input(clean: Tensor, planned: PlannedInput) -> np.ndarray:
    """Make an input: (3,H,W) in [0,1] as uint8 (H/scale,W/scale,3), as a file would hold it."""
    images = clean[None]
    if planned.scale > 1:
        size = [side // planned.scale for side in clean.shape[1:]]
        images = interpolate(images, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    return to_8_bits(degrade(images, [planned.steps])[0].permute(1, 2, 0).numpy())


def restorations(
    clean: np.ndarray, degraded: np.ndarray, planned: PlannedInput, networks: Mapping[str, torch.nn.Module]
) -> Iterator[tuple[str, np.ndarray]]:
    """Restore an input in every planned way.

    Args:
        clean: (H,W,3) uint8.
        degraded: (h,w,3) uint8.
        planned: its plan.
        networks: the user's own, by name: (1,3,h,w) in [0,1] to (1,3,H,W).

    Yields:
        The restorer's name, and the picture (H,W,3) uint8.
    """
    case = Case(degraded.astype(np.float32) / 255, clean.astype(np.float32) / 255, planned.scale)
    for name, seed in planned.restorers:
        if name in networks:
            with torch.inference_mode():
                given = torch.from_numpy(case.degraded).permute(2, 0, 1)[None]
                yield name, to_8_bits(networks[name](given)[0].permute(1, 2, 0).numpy())
        else:
            yield name, to_8_bits(restore(name, case, seed))
