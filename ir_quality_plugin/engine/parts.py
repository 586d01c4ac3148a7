"""What a training is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.optim.swa_utils import AveragedModel


@dataclass
class Parts:
    """What a training is made of.

    Attributes:
        kind: "fidelity", "gan", "relativistic", or "scorer".
        network: the network that is trained, as it was built; it shares its weights with `generator`.
        generator: the same, prepared; of a scorer, the loss that holds it.
        discriminator: prepared; None without a GAN.
        average: exponential average of the generator's weights; None for none.
        optimisers: of the generator and, if there is one, of the discriminator, prepared.
        schedulers: one for each.
        pixel: the fidelity criterion.
        perceptual: BasicSR's perceptual criterion, or None.
        gan: BasicSR's GAN criterion, or None.
        terms: our losses.
        synthesis: makes Real-ESRGAN's inputs from clean images; None where the dataset has them.
    """

    kind: str
    network: nn.Module
    generator: nn.Module
    discriminator: nn.Module | None
    average: AveragedModel | None
    optimisers: list[Any]
    schedulers: list[Any]
    pixel: Any = None
    perceptual: Any = None
    gan: Any = None
    terms: list[Any] = field(default_factory=list)
    synthesis: Any = None

    @property
    def best(self) -> nn.Module:
        """The network that is validated: the average where there is one."""
        return self.network if self.average is None else self.average.module
