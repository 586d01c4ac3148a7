"""Check a BasicSR option file before anything is built: types, keys, places, metrics, and what would be downloaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from basicsr.data import build_dataset  # noqa: F401  # fills BasicSR's registry of datasets
from basicsr.losses import build_loss  # noqa: F401  # and those of losses,
from basicsr.models import build_model  # noqa: F401  # models and architectures
from basicsr.utils import registry

from ..catalog import find_entry
from ..data.names import FOLDER
from ..errors import UsageError, nearest
from ..losses import DegradedReferenceQualityLoss
from .basicsr_metrics import prepare_metric
from .dataset_options import check_dataset_values
from .options import LOSSES, check_keys, entries_of

OURS = "QualitySRModel, QualitySRGANModel, QualityESRGANModel or QualityRealESRGANModel"


def check_options(opt: dict[str, Any]) -> list[str]:
    """Check what an option file names; `better` of pyiqa's metrics is filled in.

    Args:
        opt: BasicSR's options, as `parse_options` gives them.

    Returns:
        Notes: what will be fetched from the network.

    Raises:
        UsageError: an unknown type or key, with the nearest known one; a term or metric that this model cannot feed;
            a scorer or metric that cannot be built.
        CheckpointError: a metric whose weights are missing or damaged.
    """
    train, val = opt.get("train") or {}, opt.get("val") or {}
    for place, name in [
        ("name", opt.get("name", "run")),
        *((f"datasets.{key}", key) for key in opt.get("datasets") or {}),
    ]:
        if not re.fullmatch(FOLDER, str(name)):
            raise UsageError(f"{place}={name!r}: it becomes a folder; expected a name without slashes or a leading dot")
    model = registered(registry.MODEL_REGISTRY, opt.get("model_type"), "model_type")
    for name, options in opt.items():
        if name.startswith("network_") and isinstance(options, Mapping):
            check_entry(registry.ARCH_REGISTRY, options, name)
    for name, options in (opt.get("datasets") or {}).items():
        registered(registry.DATASET_REGISTRY, options.get("type"), f"datasets.{name}.type")
        check_dataset_values(options, f"datasets.{name}")
    for name, options in train.items():
        if name != "quality_opt" and name.endswith("_opt") and isinstance(options, Mapping):
            check_loss(options, f"train.{name}")
    check_terms(train, model)
    for name, options in (val.get("metrics") or {}).items():
        check_metric(options, f"val.metrics.{name}", model)
    return downloads(train)


def check_terms(train: Mapping[str, Any], model: Any) -> None:
    """Check `train.quality_opt`: its key, its entries, and that the model reads it."""
    for key in train:
        if key != "quality_opt" and key.startswith("qual"):
            raise UsageError(f"train has no key {key!r}; did you mean 'quality_opt'?")
    entries = list(entries_of(train.get("quality_opt")))
    if entries and not carries_terms(model):
        raise UsageError(f"train.quality_opt: {model.__name__} does not read it; expected model_type: {OURS}")
    for place, options in entries:
        if options.get("type") not in LOSSES:
            raise UsageError(
                f"{place}: type={options.get('type')!r} is none of our losses; "
                f"{nearest(str(options.get('type')), LOSSES)}"
            )
        check_keys(LOSSES[options["type"]], options, place)
        if isinstance(options.get("scorer"), str):
            find_entry(options["scorer"])


def carries_terms(model: Any) -> bool:
    """Whether a model class reads `train.quality_opt` and hands its degraded input on."""
    from .basicsr_models import QualityMixin

    return issubclass(model, QualityMixin)


def check_loss(options: Mapping[str, Any], place: str) -> None:
    """Check a loss in one of BasicSR's own places."""
    kind = registered(registry.LOSS_REGISTRY, options.get("type"), f"{place}.type")
    ours = LOSSES.get(options["type"])
    if ours is None:
        check_keys(kind, options, place)
        return
    if place != "train.perceptual_opt":
        raise UsageError(f"{place}: {ours.__name__} belongs into train.perceptual_opt or train.quality_opt")
    if issubclass(ours, DegradedReferenceQualityLoss):
        raise UsageError(
            f"{place}: {ours.__name__} judges against the degraded input, which BasicSR does not hand to a perceptual "
            f"loss; expected it in train.quality_opt, and model_type: {OURS}"
        )
    check_keys(ours, options, place)


def check_entry(table: Any, options: Mapping[str, Any], place: str) -> None:
    """Check a mapping with a `type`, and its keys against that type's parameters."""
    check_keys(registered(table, options.get("type"), f"{place}.type"), options, place)


def registered(table: Any, name: Any, place: str) -> Any:
    """Look a type up as BasicSR does.

    Raises:
        UsageError: nothing has that name; the nearest are named.
    """
    known = {key.removesuffix("_basicsr"): kind for key, kind in table}
    if not isinstance(name, str) or name not in known:
        raise UsageError(f"{place}={name!r} is not registered; {nearest(str(name), known)}")
    return known[name]


def check_metric(options: dict[str, Any], place: str, model: Any) -> None:
    """Check one of `val.metrics`, build it, and fill `better` in."""
    kind = registered(registry.METRIC_REGISTRY, options.get("type"), f"{place}.type")
    check_keys(kind, options, place, given={"img", "img2"})
    scorer = options.get("scorer")
    if options["type"] == "calculate_quality" and scorer is not None:
        full_reference = options.get("full_reference", False)
        if find_entry(scorer).card.reference == "degraded" and not full_reference and not carries_terms(model):
            raise UsageError(
                f"{place}: {scorer} judges against the degraded input, which {model.__name__} does not hand to "
                f"metrics; expected model_type: {OURS}"
            )
    prepare_metric(options, place)


def downloads(train: Mapping[str, Any]) -> list[str]:
    """Say which of BasicSR's losses will fetch a network at start."""
    notes = []
    for name, options in train.items():
        if isinstance(options, Mapping) and options.get("type") == "PerceptualLoss":
            from torchvision.models import get_model_weights

            vgg = options.get("vgg_type", "vgg19")
            address = get_model_weights(vgg).DEFAULT.url
            file = address.rsplit("/", 1)[-1]
            places = (Path("experiments/pretrained_models"), Path(torch.hub.get_dir()) / "checkpoints")
            if not any((folder / file).is_file() for folder in places):
                notes.append(
                    f"train.{name}: PerceptualLoss fetches {vgg} (hundreds of MB) from {address}; without a network, "
                    f"put the file at {places[1] / file}, or use TeacherFeatureLoss in its place"
                )
    return notes
