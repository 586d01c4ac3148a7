"""Pipelines of operators: drawn a sample from a seed, written down as plain values, and replayed from these."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import UsageError, nearest
from ..nn.pixels import check_images
from .operators import OPERATORS


class Step(NamedTuple):
    """One operator on one sample: its name, its strength in the operator's unit, and the seed of what it draws."""

    operator: str
    strength: float
    seed: int


class Degrader:
    """Draw what happens to each sample.

    Args:
        operators: names to choose from; None for all.
        steps: least and greatest number of operators a sample, in random order, each at most once a pass.
        levels: least and greatest level, between 1 and 5; a level between two is interpolated.
        passes: times that this is done, one after the other: 2 for a second-order pipeline.

    Raises:
        UsageError: an unknown operator, or impossible numbers.
    """

    def __init__(
        self,
        operators: Sequence[str] | None = None,
        steps: tuple[int, int] = (1, 1),
        levels: tuple[float, float] = (1.0, 5.0),
        passes: int = 1,
    ) -> None:
        self.operators = tuple(OPERATORS if operators is None else operators)
        for name in self.operators:
            if name not in OPERATORS:
                raise UsageError(f"operators: there is no {name!r}; {nearest(str(name), OPERATORS)}")
        if not 0 <= steps[0] <= steps[1] <= len(self.operators):
            raise UsageError(f"steps={steps}; expected low <= high <= {len(self.operators)}, the number of operators")
        if not 1 <= levels[0] <= levels[1] <= 5:
            raise UsageError(f"levels={levels}; expected low <= high between 1 and 5")
        if passes < 1:
            raise UsageError(f"passes={passes}; expected at least 1")
        self.steps, self.levels, self.passes = steps, levels, passes

    def plan(self, seed: int) -> list[Step]:
        """Draw the steps of one sample; the same for the same seed, on every machine."""
        draw = random.Random(seed)
        plan = []
        for _ in range(self.passes):
            for name in draw.sample(self.operators, draw.randint(*self.steps)):
                strength = OPERATORS[name].strength(draw.uniform(*self.levels))
                plan.append(Step(name, strength, draw.getrandbits(62)))
        return plan


def degrade(images: Tensor, plans: Sequence[Sequence[Step]]) -> Tensor:
    """Carry out a plan a sample.

    Samples that have the same operator at the same place are spoiled in one batch; the result does not depend on it.

    Args:
        images: (B,3,H,W) RGB in [0,1], on any device.
        plans: B lists of steps.

    Returns:
        (B,3,H,W) in [0,1]; no gradient.

    Raises:
        UsageError: as many plans as images are needed, and known operators.
        ImageError: wrong type or shape.
    """
    check_images("images", images, min_px=1)
    if len(plans) != len(images):
        raise UsageError(f"{len(plans)} plans for {len(images)} images; expected one each")
    spoiled = images.detach().clone()
    for place in range(max(map(len, plans), default=0)):
        at_place: dict[str, list[int]] = {}
        for index, plan in enumerate(plans):
            if place < len(plan):
                at_place.setdefault(plan[place].operator, []).append(index)
        for name, indices in at_place.items():
            if name not in OPERATORS:
                raise UsageError(f"there is no operator {name!r}; {nearest(name, OPERATORS)}")
            steps = [plans[index][place] for index in indices]
            strength = torch.tensor([step.strength for step in steps], device=images.device, dtype=images.dtype)
            # On the CPU, so that a seed draws the same on every device.
            draw = [torch.Generator().manual_seed(step.seed) for step in steps]
            spoiled[indices] = OPERATORS[name](spoiled[indices], strength, draw)
    return spoiled
