"""BasicSR's networks, datasets, losses, schedulers and metrics, for the engine, which imports no BasicSR itself."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from basicsr.archs import build_network as _build_network
from basicsr.data import build_dataset as _build_dataset
from basicsr.losses import build_loss
from basicsr.metrics import calculate_metric
from basicsr.models import lr_scheduler
from basicsr.utils import registry, tensor2img
from torch import Tensor, nn

from ..errors import CheckpointError, UsageError, nearest
from .basicsr_metrics import DEGRADED
from .basicsr_options import check_entry, registered
from .options import LOSSES

SCHEDULERS = {
    "MultiStepLR": lr_scheduler.MultiStepRestartLR,
    "MultiStepRestartLR": lr_scheduler.MultiStepRestartLR,
    "CosineAnnealingRestartLR": lr_scheduler.CosineAnnealingRestartLR,
}
# Read by whoever builds a dataset and its loader, not by the dataset; gt_size is customary in Real-ESRGAN's files.
LOADING_KEYS = {
    "name", "type", "phase", "scale", "batch_size_per_gpu", "num_worker_per_gpu", "dataset_enlarge_ratio",
    "prefetch_mode", "num_prefetch_queue", "pin_memory", "persistent_workers", "gt_size",
}  # fmt: skip


def build_network(options: Mapping[str, Any]) -> nn.Module:
    """Build a registered architecture.

    Raises:
        UsageError: a parameter is missing or wrong.
    """
    try:
        return _build_network(copy.deepcopy(dict(options)))
    except (TypeError, AssertionError, ValueError) as error:
        raise UsageError(f"{options['type']} cannot be built from these options: {error}") from error


def build_dataset(options: Mapping[str, Any], phase: str, scale: int) -> Any:
    """Build a registered dataset as BasicSR does, its phase and scale filled in.

    Raises:
        UsageError: an option is missing or wrong, or the images do not pair.
    """
    complete = {"scale": scale, "name": phase, **copy.deepcopy(dict(options)), "phase": phase.split("_")[0]}
    try:
        built = _build_dataset(complete)
        if len(built) == 0:
            raise UsageError("it has no sample; expected one image at least")
        return built
    except KeyError as error:
        raise UsageError(f"datasets.{phase} has no {error}; {options['type']} needs it") from error
    except UsageError as error:
        raise UsageError(f"datasets.{phase}: {error}") from error
    except (AssertionError, OSError, ValueError, TypeError) as error:
        raise UsageError(f"datasets.{phase}: {options['type']} cannot be built: {error}") from error


def build_criterion(options: Mapping[str, Any] | None) -> Any:
    """Build a loss of BasicSR's registry; None for none."""
    return None if options is None else build_loss(copy.deepcopy(dict(options)))


def build_optimiser(options: Mapping[str, Any], parameters: list[nn.Parameter], where: str) -> torch.optim.Optimizer:
    """Build one of torch's optimisers by its name.

    Raises:
        UsageError: no such optimiser, or an option that it does not take.
    """
    entries = dict(options)
    name = entries.pop("type", "Adam")
    kind = getattr(torch.optim, str(name), None)
    if not (isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)):
        known = [entry for entry in dir(torch.optim) if isinstance(getattr(torch.optim, entry), type)]
        raise UsageError(f"{where}.type={name!r} is no optimiser of torch; {nearest(str(name), known)}")
    takes = set(inspect.signature(kind).parameters) - {"params"}
    for key in entries:
        if key not in takes:
            raise UsageError(f"{where}: {name} has no option {key!r}; {nearest(str(key), takes)}")
    try:
        return kind(parameters, **entries)
    except (TypeError, ValueError, LookupError) as error:
        raise UsageError(f"{where}: {name} cannot be built from {entries}: {error}") from error


def build_scheduler(options: Mapping[str, Any], optimiser: torch.optim.Optimizer) -> Any:
    """Build one of BasicSR's schedulers.

    Raises:
        UsageError: no such scheduler, or an option that it does not take.
    """
    entries = dict(options)
    name = entries.pop("type", None)
    if not isinstance(name, str) or name not in SCHEDULERS:
        raise UsageError(f"train.scheduler.type={name!r}; {nearest(str(name), SCHEDULERS)}")
    takes = set(inspect.signature(SCHEDULERS[name]).parameters) - {"optimizer", "last_epoch"}
    for key in entries:
        if key not in takes:
            raise UsageError(f"train.scheduler: {name} has no option {key!r}; {nearest(str(key), takes)}")
    try:
        return SCHEDULERS[name](optimiser, **entries)
    except (TypeError, AssertionError, ValueError, LookupError) as error:
        raise UsageError(f"train.scheduler: {name} cannot be built from {entries}: {error}") from error


def registered_types() -> dict[str, dict[str, Any]]:
    """All types that option files may name, by their place and name."""
    tables = {
        "networks": registry.ARCH_REGISTRY,
        "losses": registry.LOSS_REGISTRY,
        "metrics": registry.METRIC_REGISTRY,
        "models": registry.MODEL_REGISTRY,
        "datasets": registry.DATASET_REGISTRY,
    }
    # A loss of ours stands in the registry behind an adaptor; its own constructor has the parameters.
    found = {place: {name.removesuffix("_basicsr"): kind for name, kind in table} for place, table in tables.items()}
    return {**found, "losses": {**found["losses"], **LOSSES}}


def build_synthesis(mapping: Mapping[str, Any], device: torch.device) -> Any:
    """Real-ESRGAN's synthesis of degraded images."""
    from .basicsr_synthesis import Synthesis

    return Synthesis(mapping, device)


def check_network_keys(options: Mapping[str, Any], where: str) -> None:
    """Refuse a network that is not registered, and a key that it does not take.

    Raises:
        UsageError: names the nearest known one.
    """
    check_entry(registry.ARCH_REGISTRY, options, where)


def check_dataset_keys(options: Mapping[str, Any], where: str) -> None:
    """Refuse a key that neither the dataset nor its loader reads.

    BasicSR's datasets take one mapping; which keys they read is taken from their source. Of a dataset that is neither
    BasicSR's nor ours, nothing is known.

    Raises:
        UsageError: names the nearest key that is read.
    """
    kind = registered(registry.DATASET_REGISTRY, options.get("type"), f"{where}.type")
    read = dataset_keys(kind)
    for key in options:
        if read and key not in read | LOADING_KEYS:
            raise UsageError(
                f"{where}: {kind.__name__} has no option {key!r}; {nearest(str(key), read | LOADING_KEYS)}"
            )


def dataset_keys(kind: type) -> set[str]:
    """The keys that a dataset of BasicSR's or ours reads; none of somebody's own, which may read them anywhere."""
    owners = [owner for owner in kind.__mro__ if owner.__module__.split(".")[0] in ("basicsr", "ir_quality_plugin")]
    if kind not in owners:
        return set()
    source = "".join(inspect.getsource(owner) for owner in owners)
    read = set(re.findall(r"""opt(?:\[|\.get\(|\.pop\()\s*['"](\w+)['"]""", source))
    return read | set(re.findall(r"""['"](\w+)['"] (?:not )?in (?:self\.)?opt\b""", source))


def read_network(path: str, param_key: str | None) -> dict[str, Tensor]:
    """Read the weights of a network that BasicSR, or we, saved; a `.safetensors` file has one set, under no key.

    Raises:
        CheckpointError: missing, damaged, with code inside, or without that key.
    """
    from ..checkpoints.read import is_safetensors, read_checkpoint, read_weights

    if is_safetensors(path):
        return read_weights(path).tensors
    content: Any = read_checkpoint(path)
    if isinstance(content, Mapping) and param_key is not None:
        found = [key for key in (param_key, "params") if key in content]
        if not found:
            raise CheckpointError(f"{path} has no {param_key!r}; it has {', '.join(map(str, list(content)[:5]))}")
        content = content[found[0]]
    if not isinstance(content, Mapping) or not all(isinstance(entry, Tensor) for entry in content.values()):
        raise CheckpointError(f"{path} holds no state dict; expected names and tensors, under {param_key!r} or alone")
    return {str(name).removeprefix("module."): tensor for name, tensor in content.items()}


def to_picture(image: Tensor) -> np.ndarray:
    """Turn (1,3,H,W) in [0,1] into BasicSR's uint8 BGR (H,W,3)."""
    return tensor2img([image])


def measure(options: Mapping[str, Any], restored: np.ndarray, clean: np.ndarray | None, degraded: Tensor) -> float:
    """Compute one of `val.metrics` as BasicSR's validation does; ours are handed the degraded input."""
    images = {"img": restored} if clean is None else {"img": restored, "img2": clean}
    token = DEGRADED.set(degraded)
    try:
        return float(calculate_metric(images, dict(options)))
    finally:
        DEGRADED.reset(token)
