"""Networks that a training run saved, built again from the run's option file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import nn

from ..checkpoints.read import read_weights
from ..checkpoints.remap import raise_unless_complete
from ..errors import UsageError
from .register import register_basicsr


@dataclass(frozen=True)
class SavedNetwork:
    """A file of weights and what its network is built from.

    Attributes:
        weights: a `net_g_ITER.pth`, as BasicSR and our trainer write; averaged weights are preferred.
        options: the option file as a mapping, or its `network_g` alone: a `type` of BasicSR's registry and its
            constructor's parameters.
    """

    weights: Path
    options: Mapping[str, Any]

    @property
    def architecture(self) -> Mapping[str, Any]:
        """The `network_g`.

        Raises:
            UsageError: the options name no type.
        """
        found = self.options.get("network_g", self.options)
        if not isinstance(found, Mapping) or "type" not in found:
            raise UsageError(
                f"the options of {self.weights} have no network_g with a type; expected the option file that it was "
                "trained with, or a mapping such as {type: MSRResNet, num_feat: 64}"
            )
        return found

    def build(self) -> nn.Module:
        """Build it on the CPU, frozen and in eval mode.

        Raises:
            UsageError: an unknown type, options that do not build it, or no BasicSR.
            CheckpointError: weights that are missing, damaged or another network's.
        """
        if find_spec("basicsr") is None:
            raise UsageError("basicsr is not installed; pip install 'ir-quality-plugin[basicsr]', as irq doctor says")
        register_basicsr()
        from .basicsr_options import check_entry, registry
        from .basicsr_parts import build_network

        check_entry(registry.ARCH_REGISTRY, dict(self.architecture), f"options of {self.weights}")
        network = build_network(self.architecture)
        held = read_weights(self.weights).tensors
        raise_unless_complete(held, network.state_dict(), [], f"{self.weights} is no {self.architecture['type']}")
        network.load_state_dict(held)
        return network.eval().requires_grad_(False)


def options_beside(weights: Path) -> Path:
    """The option file of the run that wrote `RUN/models/net_g_ITER.pth`: RUN/options.yml, or RUN's only YAML file.

    Raises:
        UsageError: there is none, or more than one.
    """
    run = weights.absolute().parent.parent
    if (run / "options.yml").is_file():
        return run / "options.yml"
    found = sorted(path for path in run.glob("*.yml") if path.is_file())
    if len(found) != 1:
        raise UsageError(
            f"{run} has {len(found)} option files; expected the one that {weights.name} was trained with; name it"
        )
    return found[0]
