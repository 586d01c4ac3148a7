"""What an archive of torch.save must be before torch reads it, which looks at little of it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import CheckpointError

# An entry so marked is read by torch as whatever lies in memory.
DOS_FOLDER = 0x10
ZIP = b"PK\x03\x04"


def check_archive(path: Path) -> None:
    """Refuse a zip archive that unpacks into more than the file holds, or whose entries changed since.

    torch.save packs nothing, and writes a checksum of every entry, which torch.load does not look at. What is no zip
    is left to torch.

    Raises:
        CheckpointError: what is wrong.
    """
    with path.open("rb") as file:
        if file.read(len(ZIP)) != ZIP:  # by which torch tells an archive, too
            return
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(path, entries)
            changed = archive.testzip()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, EOFError, RuntimeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); download or copy it again") from error
    if changed is not None:
        raise CheckpointError(f"{path} is damaged: {changed} does not match its checksum; download or copy it again")


def _check_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise CheckpointError(
            f"{path} is refused: a TorchScript archive holds code. Nothing in it was executed. "
            "If you trust it, load it with torch.jit.load and save its state dict with torch.save"
        )
    if any(entry.is_dir() or entry.external_attr & DOS_FOLDER for entry in entries):
        raise CheckpointError(f"{path} is damaged: it has a folder where values should be; download or copy it again")
    inside, size = sum(entry.file_size for entry in entries), path.stat().st_size
    if inside > size or any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError(
            f"{path} is refused: it is compressed, {size:,} bytes for {inside:,}, which torch.save never does. If you "
            "trust where it comes from, unpack it and save its state dict with torch.save"
        )


def no_more_than(path: Path) -> Callable[[Any, str], Any]:
    """What torch.load asks where to put a storage: on the CPU, as long as all are no larger than the file.

    Of its format before zip only the pickle says how large a storage is; torch makes room for it, fills nothing, and
    asks then.
    """
    size, taken = path.stat().st_size, 0

    def place(storage: Any, location: str) -> Any:
        nonlocal taken
        taken += storage.nbytes()
        if taken > size:
            raise CheckpointError(
                f"{path} is refused: it asks for {taken:,} bytes and more, and is {size:,} bytes long; download or "
                "copy it again"
            )
        return storage

    return place
