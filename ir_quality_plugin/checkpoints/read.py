"""Read files of weights: weights alone, never code; a damaged file ends in an error that says so."""

from __future__ import annotations

import argparse
import hashlib
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import CheckpointError, MissingWeightsError
from ..files import regular
from ..models.card import Card
from .archive import check_archive, no_more_than
from .remap import strip_wrapping

# Where training scripts put the weights inside a checkpoint; the averaged ones are what their authors evaluate.
CONTAINERS = ("params_ema", "params", "state_dict")
DIGEST = "sha256_of_card_and_tensors"
READ_DTYPES = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
)
# No network has weights of more axes, and torch computes with none of more than 64.
MOST_AXES = 8
PICKLE_PROTOCOL = b"\x80"
# Before it, a made file could run code through the weights-only reader (CVE-2025-32434, CVE-2026-24747).
SAFE_TORCH = (2, 10)


@dataclass(frozen=True)
class WeightsFile:
    """What a file holds: tensors by name (wrapping stripped), its card if it has one, and the file's SHA-256."""

    path: Path
    tensors: dict[str, Tensor]
    card: Card | None
    sha256: str


def read_weights(path: str | Path) -> WeightsFile:
    """Read a `.safetensors`, `.pth`, `.pt` or `.pkl` file of weights; the content decides, not the name.

    Pickled files are read by torch's weights-only loader, which executes nothing. Weights may be wrapped in
    `params_ema`, `params` or `state_dict`, and their names in `module.`.

    Args:
        path: of the file.

    Returns:
        A `WeightsFile` on the CPU.

    Raises:
        CheckpointError: missing, unreadable, damaged, not weights, with code inside, larger inside than the file, or
            with NaN or Inf.
    """
    path = Path(path)
    try:
        with regular(path).open("rb") as file:
            start = file.read(16)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        kind = MissingWeightsError if isinstance(error, FileNotFoundError) else CheckpointError
        raise kind(
            f"cannot read weights from {path} ({error.strerror}); expected a .safetensors, .pth or .pkl file"
        ) from error
    if not start:
        raise CheckpointError(f"{path} is empty; download or copy it again")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise CheckpointError(
            f"{path} is a web page, not weights: a cloud drive's warning, perhaps; download it by hand"
        )
    card: Card | None = None
    if _begins_safetensors(start):
        tensors, card = _read_safetensors(path)
    else:
        tensors = strip_wrapping(_unwrap(path, _read_pickled(path, start[:1])))
    odd = [name for name, tensor in tensors.items() if not _is_plain(tensor)]
    if odd:
        tensor = tensors[odd[0]]
        raise CheckpointError(
            f"{path} holds tensors that are no plain weights ({odd[0]}: {tensor.dtype}, {tensor.layout}, "
            f"{tensor.device.type}, {tensor.ndim} axes), {len(odd)} in all; save them as floating point with torch.save"
        )
    broken = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if broken:
        raise CheckpointError(
            f"{path} holds NaN or Inf in {broken[:3]} and {len(broken)} tensors in all; ask for a sound copy"
        )
    return WeightsFile(path, tensors, card, sha256)


def is_safetensors(path: str | Path) -> bool:
    """Whether a file is there and begins as safetensors do; the content decides, not the name."""
    try:
        with regular(path).open("rb") as file:
            return _begins_safetensors(file.read(16))
    except OSError:
        return False


def _begins_safetensors(start: bytes) -> bool:
    """Whether eight bytes, the header's length, are followed by the header, which is JSON."""
    return start[8:9] == b"{"


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor holds its own numbers: one that repeats a few of them may claim any size."""
    if tensor.layout != torch.strided or tensor.is_nested or tensor.device.type != "cpu" or tensor.ndim > MOST_AXES:
        return False
    return tensor.dtype in READ_DTYPES and tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def read_checkpoint(path: str | Path) -> Any:
    """Read what torch.save wrote: containers, values and tensors, never code.

    Raises:
        CheckpointError: missing, damaged, or with code inside.
    """
    path = Path(path)
    try:
        with regular(path).open("rb") as file:
            start = file.read(1)
    except OSError as error:
        raise CheckpointError(f"cannot read {path} ({error.strerror}); check the path") from error
    return _read_pickled(path, start)


def read_card(path: Path) -> Card:
    """Read the card of a safetensors file that `write_weights` wrote, without its tensors.

    Raises:
        CheckpointError: the file is damaged or has no card.
    """
    metadata, _ = _open_safetensors(path, tensors=False)
    if "card" not in metadata:
        raise CheckpointError(f"{path} has no card; expected a file that `irq weights convert` wrote: convert it again")
    return _card_in(path, metadata)


def _open_safetensors(path: Path, tensors: bool = True) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(regular(path), framework="pt") as file:
            names = file.keys() if tensors else []
            return file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is a damaged safetensors file ({error}); copy or convert it again") from error


def _card_in(path: Path, metadata: dict[str, str]) -> Card:
    try:
        return Card.from_json(metadata["card"])
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], Card | None]:
    metadata, tensors = _open_safetensors(path)
    if "card" not in metadata and DIGEST not in metadata:
        return strip_wrapping(tensors), None
    if metadata.get(DIGEST) != digest(metadata.get("card", ""), tensors):
        raise CheckpointError(
            f"{path} is damaged: its card and tensors do not match the checksum beside them; copy or convert it again"
        )
    return tensors, _card_in(path, metadata)


def _read_pickled(path: Path, start: bytes) -> object:
    # Plain containers of values that training scripts save beside the weights.
    harmless: list[Any] = [argparse.Namespace]
    if tuple(map(int, torch.__version__.split(".")[:2])) < SAFE_TORCH:
        raise CheckpointError(
            f"{path} is refused: torch {torch.__version__} can be made to run code by a file like this; expected torch "
            f"{SAFE_TORCH[0]}.{SAFE_TORCH[1]} or later, or a .safetensors file"
        )
    try:
        check_archive(path)
        # An open file, not its path: torch would choose the reader by the name's ending.
        with path.open("rb") as file, torch.serialization.safe_globals(harmless), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(file, map_location=no_more_than(path), weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        if asked is None and start != PICKLE_PROTOCOL:
            raise CheckpointError(f"{path} is damaged or no file of weights; download or copy it again") from error
        found = f"it asks for the code {asked[1]}" if asked else "it is a plain pickle, not written by torch.save"
        raise CheckpointError(
            f"{path} is refused: {found}. Nothing in it was executed. "
            "If you trust where it comes from, save its state dict alone with torch.save and use that file"
        ) from error
    except CheckpointError:
        raise
    except MemoryError as error:
        raise CheckpointError(f"{path} asks for more memory than there is; download or copy it again") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        if "legacy .tar format" in str(error):
            raise CheckpointError(
                f"{path} is refused: a tar archive of torch before 0.4 cannot be read without executing what it holds. "
                "If you trust it, load it there and save its state dict with today's torch.save"
            ) from error
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} is damaged or no file of weights ({detail}); download or copy it again"
        ) from error


def _unwrap(path: Path, content: object) -> dict[str, Tensor]:
    weights: Any = content
    for _ in CONTAINERS:
        if isinstance(weights, Mapping):
            weights = next((weights[key] for key in CONTAINERS if isinstance(weights.get(key), Mapping)), weights)
    if isinstance(weights, Mapping) and not weights:
        raise CheckpointError(f"{path} holds an empty mapping; expected names and tensors (a state dict)")
    if not isinstance(weights, Mapping):
        raise CheckpointError(f"{path} holds a {type(weights).__name__}; expected names and tensors (a state dict)")
    others = [str(name) for name, tensor in weights.items() if not isinstance(tensor, Tensor)]
    if others:
        raise CheckpointError(
            f"{path} holds entries that are no tensors ({', '.join(others[:5])}); expected a state dict, "
            f"alone or under one of {', '.join(CONTAINERS)}"
        )
    return {str(name): tensor for name, tensor in weights.items()}


def digest(card: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the card's text and the tensors' names, types, shapes and values, whatever order the file has."""
    total = hashlib.sha256(card.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
