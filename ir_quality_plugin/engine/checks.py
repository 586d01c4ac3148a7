"""What an option file must say beyond its grammar: types, their keys, sets, and that this engine trains the model."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..errors import UsageError, nearest
from ..integrations import basicsr_parts as parts_of
from ..integrations.basicsr_options import check_options
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


def check_restoration(options: Options, mapping: dict[str, Any]) -> list[str]:
    """Check the option file of a restoration model; `better` of every metric of `mapping` is filled in.

    Returns:
        Notes for the user.

    Raises:
        UsageError: names what is wrong and what was expected.
    """
    train = options.train
    foreign = {
        "train.opinion_opt": train.opinion_opt, "network_t": options.network_t, "path.imagenet": options.path.imagenet,
        "path.pretrain_teacher": options.path.pretrain_teacher,
        "path.pretrain_network_t": options.path.pretrain_network_t,
    }  # fmt: skip
    for name, value in foreign.items():
        if value is not None:
            raise UsageError(f"{name} is for scorers; expected it beside model_type: ScorerModel")
    notes = check_options(mapping)
    if options.model_type not in KINDS:
        raise UsageError(
            f"model_type={options.model_type!r} is not trained here; expected one of {', '.join(KINDS)}, or a "
            "ScorerModel; python -m ir_quality_plugin.basicsr_train runs any of BasicSR's"
        )
    check_sets(options)
    best_by, metrics = (options.val.best_by, options.val.metrics or {}) if options.val else (None, {})
    if best_by is not None and best_by not in metrics:
        raise UsageError(f"val.best_by={best_by!r}; {nearest(best_by, metrics)}")
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
    return notes


def check_optimisers(options: Options) -> None:
    """Refuse an optimiser or a schedule that cannot be built.

    Raises:
        UsageError: says why.
    """
    train = options.train
    for key, entry in (("optim_g", train.optim_g), ("optim_d", train.optim_d)):
        if entry is not None:
            optimiser = parts_of.build_optimiser(entry, [nn.Parameter(torch.zeros(1))], f"train.{key}")
            parts_of.build_scheduler(train.scheduler, optimiser)
    periods = train.scheduler.get("periods")
    if isinstance(periods, list) and sum(periods) < train.total_iter:
        raise UsageError(
            f"train.scheduler.periods={periods} ends before train.total_iter={train.total_iter}; expected periods that "
            "sum to as many iterations at least"
        )


def is_validation(name: str) -> bool:
    """Whether a set of `datasets` is validated on: `val`, `val_1`, `val_anything`."""
    return name.split("_")[0] == "val"


def check_sets(options: Options, looked_at_once: str | None = None) -> None:
    """Refuse sets that nothing would read, metrics without a set to compute them on, and losses that are no scalar.

    Args:
        options: of the option file.
        looked_at_once: name of the set that is read after the last iteration; None for none.

    Raises:
        UsageError: says which.
    """
    if "train" not in options.datasets:
        raise UsageError("datasets has no 'train'; expected the images to train on there")
    for name in options.datasets:
        if name not in ("train", looked_at_once) and not is_validation(name):
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
