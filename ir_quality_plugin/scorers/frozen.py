"""A network that nothing trains, saves, counts or reinitialises by accident."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..nn.fold import fold
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
        self._folded: tuple[list[Any], Any] | None = None
        self._stores: list[dict[str, Tensor | None]] | None = None
        self.training = False

    @property
    def network(self) -> Any:
        """The frozen network."""
        return self._frozen[0]

    @property
    def folded(self) -> Any:
        """The network in the form that computes fastest, with the same outputs; made anew when its weights changed.

        torch.compile is given the network as it is: it fuses by itself.
        """
        if torch.compiler.is_compiling() or self.dtype == torch.float64:
            return self.network
        state = self._state()
        if self._folded is None or self._folded[0] != state:
            self._folded = state, fold(self.network)
        return self._folded[1]

    def _state(self) -> list[Any]:
        """Which tensors the network holds, and how often each was written to; asked at every call, so it is quick."""
        if self._stores is None:
            modules = self.network.modules()
            self._stores = [store for module in modules for store in (module._parameters, module._buffers) if store]
        tensors = [tensor for store in self._stores for tensor in store.values() if tensor is not None]
        return [(id(tensor), None if tensor.is_inference() else tensor._version) for tensor in tensors]

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
        self._folded = None
        for module in self._frozen:
            module._apply(fn, recurse)
        super()._apply(fn, recurse)
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leave the folded copy out of copies and files."""
        return {**self.__dict__, "_folded": None, "_stores": None}
