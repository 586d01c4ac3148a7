"""Write weights with their card, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from ..errors import CheckpointError
from ..files import appending, sync, whole, why
from ..models.card import Card
from .read import DIGEST, digest

__all__ = ["appending", "sync", "whole", "why", "write_weights"]


def write_weights(path: str | Path, tensors: Mapping[str, Tensor], card: Card) -> Path:
    """Write a safetensors file with its card and a checksum of its tensors.

    The file appears under its name only once it is complete; a file that stood there is replaced at that moment.

    Args:
        path: of the file, ending in `.safetensors`.
        tensors: a state dict of one of our networks.
        card: of these weights.

    Returns:
        The path.

    Raises:
        CheckpointError: the folder cannot be written to, or the disk is full; nothing half-written is left.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise CheckpointError(f"cannot write weights to {path}; expected a name that ends in .safetensors")
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = card.to_json()
    metadata = {"format": "pt", "card": text, DIGEST: digest(text, state)}
    with whole(path) as unfinished:
        save_file(state, unfinished, metadata)
    return path
