"""A network that nothing trains, saves, counts or reinitialises by accident."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import nn

from ..nn.pixels import Normalise


class Frozen(nn.Module):
    """Hold a network outside the module tree.

    It is always in eval mode, takes no gradient and moves no statistic, whatever a parent does (`train`,
    `requires_grad_`, `parameters`, `apply`), and it is no part of a parent's checkpoint. It does follow a parent to a
    device, a dtype or a memory format.

    Args:
        network: any network of floating point parameters; it is put in eval mode and its parameters are frozen.
        normalisation: of the pixels before it: "none" or "imagenet".
    """

    def __init__(self, network: nn.Module, normalisation: str) -> None:
        super().__init__()
        normalise = Normalise() if normalisation == "imagenet" else nn.Identity()
        # A tuple hides its modules from nn.Module's registration.
        self._frozen = (network.eval().requires_grad_(False), normalise)
        self.training = False

    @property
    def network(self) -> Any:
        """The frozen network."""
        return self._frozen[0]

    @property
    def normalise(self) -> nn.Module:
        """The normalisation that its weights were trained with."""
        return self._frozen[1]

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The network's floating point type."""
        return next(self.network.parameters()).dtype

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode, whatever the parent's mode is."""
        return self

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        for module in self._frozen:
            module._apply(fn, recurse)
        super()._apply(fn, recurse)
        return self
