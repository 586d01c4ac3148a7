"""What an archive of torch.save must be before torch reads it, which looks at little of it."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import CheckpointError

# An entry so marked is read by torch as whatever lies in memory.
DOS_FOLDER = 0x10
ZIP = b"PK\x03\x04"
END, END_64, LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
END_BYTES, END_64_BYTES, LOCATOR_64_BYTES, LOCAL_BYTES = 22, 56, 20, 30
LONGER = 2**32 - 1  # what stands in the end record where its longer twin has the number
# What may follow an entry, where its flags say so: a mark, its checksum, and its two sizes of 4 or 8 bytes.
DESCRIBED, DESCRIPTION_BYTES = 0x08, (16, 24)


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
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            entries = archive.infolist()
            _check_entries(path, entries)
            if not _is_gapless(file, path.stat().st_size, archive.start_dir, entries):
                raise CheckpointError(
                    f"{path} is refused: it has parts that its table of contents does not name, or two such tables, of "
                    "which torch may read the other. torch.save writes none such: download or copy it again, or if you "
                    "trust it save its state dict anew with torch.save"
                )
            changed = archive.testzip()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, EOFError, RuntimeError, struct.error) as error:
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


def _is_gapless(file: BinaryIO, size: int, contents_at: int, entries: list[zipfile.ZipInfo]) -> bool:
    """Whether entries, one table of contents and the end record follow each other, from the first byte to the last.

    Python takes the table that stands before the end record, torch the one at the place that the record names: only
    where the two are one does torch read what was checked.
    """
    at = 0
    gaps: tuple[int, ...] = (0,)
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset - at not in gaps:
            return False
        file.seek(entry.header_offset)
        name, extra = struct.unpack_from("<HH", file.read(LOCAL_BYTES), 26)
        at = entry.header_offset + LOCAL_BYTES + name + extra + entry.compress_size
        gaps = (0, *DESCRIPTION_BYTES) if entry.flag_bits & DESCRIBED else (0,)
    return contents_at - at in gaps and _ends_behind(file, size, contents_at)


def _ends_behind(file: BinaryIO, size: int, contents_at: int) -> bool:
    """Whether the file's last bytes are the end record, which names the table of contents right before it."""
    file.seek(max(size - END_64_BYTES - LOCATOR_64_BYTES - END_BYTES, 0))
    tail = file.read()
    end, locator = tail[-END_BYTES:], tail[-END_BYTES - LOCATOR_64_BYTES : -END_BYTES]
    length, start, comment = struct.unpack_from("<IIH", end, 12)
    if end[: len(END)] != END or comment:
        return False
    contents_end, named = size - END_BYTES, (length, start)
    if locator[: len(LOCATOR_64)] == LOCATOR_64:
        contents_end = size - len(tail)
        if tail[: len(END_64)] != END_64 or struct.unpack_from("<Q", locator, 8)[0] != contents_end:
            return False
        named = struct.unpack_from("<QQ", tail, 40)
        if any(short not in (long, LONGER) for short, long in zip((length, start), named, strict=True)):
            return False
    return named == (contents_end - contents_at, contents_at)


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
