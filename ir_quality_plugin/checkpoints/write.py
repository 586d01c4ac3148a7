"""Write weights with their card, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from ..errors import CheckpointError
from ..models.card import Card
from .read import DIGEST, digest


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


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Give a name to write to; the file appears under `path` once the block is left, whole or not at all.

    Raises:
        CheckpointError: the folder cannot be written to, or the disk is full; nothing half-written is left.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".unfinished", dir=path.parent)
        os.close(handle)
        unfinished = Path(name)
        try:
            yield unfinished
            with unfinished.open("rb") as written:
                os.fsync(written.fileno())
            unfinished.chmod(0o666 & ~_umask())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except Exception as error:
        raise CheckpointError(
            f"cannot write {path} ({error}); nothing was left behind; check the folder and the disk"
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
