"""A network that nothing trains, saves, counts or reinitialises by accident."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..nn.fold import fold
from ..nn.pixels import Normalise

State = tuple[list[int], list[int], list[int]]


class Frozen(nn.Module):
    """Hold a network outside the module tree.

    It is always in eval mode, takes no gradient and moves no statistic, whatever a parent does (`train`,
    `requires_grad_`, `parameters`, `apply`), and it is no part of a parent's checkpoint. It does follow a parent to a
    device, a dtype or a memory format.

    It computes with a folded copy of the network, which is made anew when weights are written to or exchanged, or when
    a module is. What torch keeps no count of is not seen: writes in place through `.data`, through numpy's view of the
    memory, or to tensors of inference mode. Call `refold` after such.

    Args:
        network: any network of floating point parameters; it is put in eval mode and its parameters are frozen.
        normalisation: of the pixels before it: "none" or "imagenet".
    """

    def __init__(self, network: nn.Module, normalisation: str) -> None:
        super().__init__()
        normalise = Normalise() if normalisation == "imagenet" else nn.Identity()
        # A tuple hides its modules from nn.Module's registration.
        self._frozen = (network.eval().requires_grad_(False), normalise)
        self._folded: tuple[State, Any] | None = None
        self._watch: Watch | None = None
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
        if self._folded is None or self._folded[0] != self._state():
            self.refold()
            self._folded = self._state(), fold(self.network)
        return self._folded[1]

    def refold(self) -> None:
        """Make the folded copy anew at the next call: after writes to weights that torch keeps no count of."""
        self._folded = self._watch = None

    def _state(self) -> State:
        """What tells one state of the weights from another; asked at every call, so it is quick."""
        self._watch = self._watch or Watch(self.network)
        return self._watch.state()

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
        self.refold()
        for module in self._frozen:
            module._apply(fn, recurse)
        super()._apply(fn, recurse)
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leave the folded copy out of copies and files."""
        return {**self.__dict__, "_folded": None, "_watch": None}


class Watch:
    """Looks at which modules and tensors a network holds, where their values are, and how often they were written to.

    All that it has seen is held until the network is watched anew: nothing else comes to lie in the same place.
    """

    def __init__(self, network: nn.Module) -> None:
        modules = list(network.modules())
        self.stores: list[dict[str, Any]] = [
            store for module in modules for store in (module._modules, module._parameters, module._buffers) if store
        ]
        held = [entry for store in self.stores for entry in store.values()]
        self.tensors = [entry for entry in held if isinstance(entry, Tensor) and entry.is_floating_point()]
        self.counted = [tensor for tensor in self.tensors if not tensor.is_inference()]
        self.held = held, [tensor.detach() for tensor in self.tensors]

    def state(self) -> State:
        """Equal to an earlier state of the same watch as long as nothing changed."""
        entries = chain.from_iterable(map(dict.values, self.stores))
        places = map(Tensor.data_ptr, self.tensors)
        return list(map(id, entries)), list(places), [tensor._version for tensor in self.counted]
