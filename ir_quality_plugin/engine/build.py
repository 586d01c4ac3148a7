"""From options to parts: networks, optimisers, schedules, losses, datasets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..errors import CheckpointError, UsageError
from ..integrations import basicsr_parts as parts_of
from ..integrations.basicsr_options import check_options
from ..integrations.options import build_terms
from .options import Options

KINDS = {
    "SRModel": "fidelity",
    "QualitySRModel": "fidelity",
    "SRGANModel": "gan",
    "QualitySRGANModel": "gan",
    "ESRGANModel": "relativistic",
    "QualityESRGANModel": "relativistic",
    "RealESRGANModel": "gan",
    "QualityRealESRGANModel": "gan",
}


@dataclass
class Parts:
    """What a training is made of.

    Attributes:
        kind: "fidelity", "gan" or "relativistic".
        generator: the restoration network, prepared.
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
    generator: nn.Module
    discriminator: nn.Module | None
    average: AveragedModel | None
    optimisers: list[Any]
    schedulers: list[Any]
    pixel: Any
    perceptual: Any
    gan: Any
    terms: list[Any] = field(default_factory=list)
    synthesis: Any = None


def check_all(options: Options) -> tuple[dict[str, Any], list[str]]:
    """Check what `read_options` could not: types, their keys, and that this engine trains the model.

    Returns:
        The options as BasicSR's mapping, `better` of every metric filled in, and notes for the user.

    Raises:
        UsageError: names what is wrong and what was expected.
    """
    train = options.train
    mapping = options.model_dump(exclude_none=True)
    notes = check_options(mapping)
    if options.model_type not in KINDS:
        raise UsageError(
            f"model_type={options.model_type!r} is not trained here; expected one of {', '.join(KINDS)}; "
            "python -m ir_quality_plugin.basicsr_train runs any of BasicSR's"
        )
    for name, dataset in options.datasets.items():
        parts_of.check_dataset_keys(dataset, f"datasets.{name}")
    check_sets(options)
    if train.pixel_opt is None and (train.quality_opt or not train.perceptual_opt):
        raise UsageError("train.pixel_opt is missing; expected a fidelity term, such as {type: L1Loss}")
    if train.ldl_opt is not None:
        raise UsageError("train.ldl_opt is for BasicSR's trainer: python -m ir_quality_plugin.basicsr_train")
    if KINDS[options.model_type] != "fidelity":
        for key, value in (
            ("network_d", options.network_d),
            ("train.optim_d", train.optim_d),
            ("train.gan_opt", train.gan_opt),
        ):
            if value is None:
                raise UsageError(f"{key} is missing; {options.model_type} needs it")
    check_guard(options)
    for key, entry in (("optim_g", train.optim_g), ("optim_d", train.optim_d)):
        if entry is not None:
            optimiser = parts_of.build_optimiser(entry, [nn.Parameter(torch.zeros(1))], f"train.{key}")
            parts_of.build_scheduler(train.scheduler, optimiser)
    return mapping, notes


def is_validation(name: str) -> bool:
    """Whether a set of `datasets` is validated on: `val`, `val_1`, `val_anything`."""
    return name.split("_")[0] == "val"


def check_sets(options: Options) -> None:
    """Refuse sets that nothing would read, metrics without a set to compute them on, and losses that are no scalar.

    Raises:
        UsageError: says which.
    """
    if "train" not in options.datasets:
        raise UsageError("datasets has no 'train'; expected the images to train on there")
    for name in options.datasets:
        if name != "train" and not is_validation(name):
            raise UsageError(f"datasets.{name} is read by nothing; expected train, val, or val_ and more: rename it")
    if options.val is not None and options.val.metrics and not any(map(is_validation, options.datasets)):
        raise UsageError("val.metrics stand without a set to compute them on; expected datasets.val")
    quality = options.train.quality_opt
    losses = [options.train.pixel_opt, *(quality if isinstance(quality, list) else [quality])]
    if any(loss is not None and loss.get("reduction") == "none" for loss in losses):
        raise UsageError("reduction: none gives no scalar to minimise; expected mean or sum in an option file")


def synthesises(options: Options) -> bool:
    """Whether degraded inputs are made from clean images while training."""
    return options.model_type.endswith("RealESRGANModel") and options.high_order_degradation is not False


def check_guard(options: Options) -> None:
    """Refuse a guard that names metrics which are not validated, or which are optimised.

    Raises:
        UsageError: says which.
    """
    guard, metrics = options.train.guard, (options.val.metrics or {}) if options.val else {}
    if guard is None:
        return
    for name in (guard.optimised, *guard.metrics):
        if name not in metrics:
            raise UsageError(
                f"train.guard names {name!r}, which is none of val.metrics: {', '.join(metrics) or 'none'}"
            )
    if guard.optimised in guard.metrics:
        raise UsageError(f"train.guard: {guard.optimised!r} is optimised and cannot be watched; expected other metrics")


def build_generator(options: Options) -> nn.Module:
    """Build the restoration network, with the weights that it starts from.

    Raises:
        UsageError: options that do not build it.
        CheckpointError: weights that are missing, damaged or do not fit.
    """
    path = options.path
    return _start(options.network_g, path.pretrain_network_g, path.param_key_g, path.strict_load_g)


def _start(options: dict[str, Any], path: str | None, key: str | None, strict: bool) -> nn.Module:
    network = parts_of.build_network(options)
    if path is not None:
        try:
            network.load_state_dict(parts_of.read_network(path, key), strict=strict)
        except RuntimeError as error:
            raise CheckpointError(f"{path} does not fit {options['type']}: {error}") from error
    return network


def build(options: Options, mapping: dict[str, Any], accelerator: Accelerator) -> Parts:
    """Build and prepare everything that is trained, and the losses.

    Raises:
        UsageError: an option that a part refuses.
        CheckpointError: weights that are missing, damaged or do not fit.
    """
    train, path, device = options.train, options.path, accelerator.device
    kind = KINDS[options.model_type]
    layout = torch.channels_last if train.channels_last else torch.contiguous_format
    generator = build_generator(options).to(device).to(memory_format=layout)
    average = None
    if train.ema_decay:
        average = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(train.ema_decay))
        average.n_averaged.fill_(1)  # as BasicSR: the start counts as an average of itself
        if path.pretrain_network_g is not None:
            averaged = parts_of.read_network(path.pretrain_network_g, "params_ema")
            average.module.load_state_dict(averaged, strict=path.strict_load_g)
    networks = [(generator, train.optim_g, "train.optim_g")]
    if kind != "fidelity":
        discriminator = _start(options.network_d or {}, path.pretrain_network_d, path.param_key_d, path.strict_load_d)
        networks.append((discriminator.to(device), train.optim_d or {}, "train.optim_d"))
    optimisers = [
        parts_of.build_optimiser(entry, [p for p in network.parameters() if p.requires_grad], where)
        for network, entry, where in networks
    ]
    schedulers = [parts_of.build_scheduler(train.scheduler, optimiser) for optimiser in optimisers]
    models: list[Any] = [network for network, *_ in networks]
    if train.compile:
        models[0] = torch.compile(models[0])
    prepared = accelerator.prepare(*models, *optimisers)
    terms = [term.to(device) for term in build_terms(train.quality_opt)]
    return Parts(
        kind,
        prepared[0],
        prepared[1] if kind != "fidelity" else None,
        average,
        list(prepared[len(models) :]),
        schedulers,
        _on(device, parts_of.build_criterion(train.pixel_opt)),
        _on(device, parts_of.build_criterion(train.perceptual_opt)),
        _on(device, parts_of.build_criterion(train.gan_opt)),
        terms,
        parts_of.build_synthesis(mapping, device) if synthesises(options) else None,
    )


def _on(device: torch.device, criterion: Any) -> Any:
    return criterion if criterion is None else criterion.to(device)
