"""From options to parts: networks, optimisers, schedules, losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..catalog import NAMED, find_weights
from ..errors import CheckpointError
from ..integrations import basicsr_parts as parts_of
from ..integrations.options import build_terms
from .checks import KINDS, synthesises
from .options import Options
from .parts import Parts


def build_generator(options: Options) -> nn.Module:
    """Build the restoration network, with the weights that it starts from.

    Raises:
        UsageError: options that do not build it.
        CheckpointError: weights that are missing, damaged or do not fit.
    """
    path = options.path
    return start(options.network_g, path.pretrain_network_g, path.param_key_g, path.strict_load_g)


def weights_of(named: str) -> str:
    """The file that an option names: a path, or a network of the catalogue whose weights are at hand."""
    found = find_weights(named) if named in NAMED and not Path(named).exists() else None
    return str(found or named)


def start(options: dict[str, Any], path: str | None, key: str | None, strict: bool) -> nn.Module:
    """Build a network, with the weights of a file where one is named.

    Raises:
        UsageError: options that do not build it.
        CheckpointError: weights that are missing, damaged or do not fit.
    """
    network = parts_of.build_network(options)
    if path is not None:
        path = weights_of(path)
        try:
            network.load_state_dict(parts_of.read_network(path, key), strict=strict)
        except RuntimeError as error:
            lines = [line.strip() for line in str(error).splitlines()[1:]]
            more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
            raise CheckpointError(
                f"{path} does not fit {options['type']}: {lines[0] if lines else error}{more}"
            ) from error
    return network


def build(options: Options, mapping: dict[str, Any], accelerator: Accelerator) -> Parts:
    """Build and prepare everything that a restoration network is trained with.

    Raises:
        UsageError: an option that a part refuses.
        CheckpointError: weights that are missing, damaged or do not fit.
    """
    train, path, device = options.train, options.path, accelerator.device
    kind = KINDS[options.model_type]
    layout = torch.channels_last if train.channels_last else torch.contiguous_format
    generator = build_generator(options).to(device).to(memory_format=layout)
    average = average_of(generator, options)
    networks = [(generator, train.optim_g, "train.optim_g")]
    if kind != "fidelity":
        discriminator = start(options.network_d or {}, path.pretrain_network_d, path.param_key_d, path.strict_load_d)
        networks.append((discriminator.to(device), train.optim_d or {}, "train.optim_d"))
    optimisers = [
        parts_of.build_optimiser(entry, learning(network, options), where) for network, entry, where in networks
    ]
    schedulers = [parts_of.build_scheduler(train.scheduler, optimiser) for optimiser in optimisers]
    models: list[Any] = [network for network, *_ in networks]
    if train.compile:
        models[0] = torch.compile(models[0])
    prepared = accelerator.prepare(*models, *optimisers)
    return Parts(
        kind,
        generator,
        prepared[0],
        prepared[1] if kind != "fidelity" else None,
        average,
        list(prepared[len(models) :]),
        schedulers,
        _on(device, parts_of.build_criterion(train.pixel_opt)),
        _on(device, parts_of.build_criterion(train.perceptual_opt)),
        _on(device, parts_of.build_criterion(train.gan_opt)),
        [term.to(device) for term in build_terms(train.quality_opt)],
        parts_of.build_synthesis(mapping, device) if synthesises(options) else None,
    )


def average_of(network: nn.Module, options: Options) -> AveragedModel | None:
    """The exponential average that follows a network; None without `train.ema_decay`."""
    if not options.train.ema_decay:
        return None
    # Running statistics are averaged too: those of the latest weights do not fit averaged ones.
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(options.train.ema_decay), use_buffers=True)
    average.n_averaged.fill_(1)  # as BasicSR: the start counts as an average of itself
    if options.path.pretrain_network_g is not None:
        averaged = parts_of.read_network(weights_of(options.path.pretrain_network_g), "params_ema")
        average.module.load_state_dict(averaged, strict=options.path.strict_load_g)
    return average


def learning(network: nn.Module, options: Options) -> list[Any]:
    """The weights that learn, for an optimiser; biases and normalisation apart where they are not to decay."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    if options.train.decay_biases:
        return weights
    vectors = [weight for weight in weights if weight.ndim < 2]
    return [{"params": [w for w in weights if w.ndim >= 2]}, {"params": vectors, "weight_decay": 0.0}]


def _on(device: torch.device, criterion: Any) -> Any:
    return criterion if criterion is None else criterion.to(device)
