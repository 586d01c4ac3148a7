"""Files: what may be opened, and what appears whole under its name or not at all, on the disk before it does."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import CheckpointError

# No space, no quota, and a file that is larger than it may be.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# What a disk answers that has no such thing as syncing a folder.
NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS)

# What torch.save says of a file that took no more.
TORN = ("inline_container", "iostream error")


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Give a name to write to; the file appears under `path` once the block is left, whole or not at all.

    A link that lies at `path` is replaced; what it leads to is never written.

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
            sync(unfinished)
            unfinished.chmod(0o666 & ~_umask())
            unfinished.replace(path)
        except Exception as error:
            raise unwritten(path, error) from error  # here, since the disk is no longer full afterwards
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise unwritten(path, error) from error
    try:
        sync(path.parent)
    except OSError as error:
        raise CheckpointError(
            f"{path} is written, and may be gone after a loss of power ({why(path, error)}); check the disk"
        ) from error


def appending(path: Path) -> BinaryIO:
    """Open a file to append to, or make it; never through a link that lies in its place.

    Raises:
        OSError: it cannot be opened, or is a link.
    """
    # Windows has no such flag, and lets few users make links.
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666), "ab")


def unwritten(path: Path, error: Exception) -> CheckpointError:
    """The error of a file that could not be written: why, and how much the disk has left."""
    return CheckpointError(
        f"cannot write {path} ({why(path, error)}); nothing was left behind, and what stood there before is untouched; "
        "check the folder and the disk"
    )


def why(path: Path, error: Exception) -> str:
    """What an error of writing means, in one line; with what is free, where it may be the disk."""
    text, number = str(error).partition("\n")[0], getattr(error, "errno", None)
    if number is None and (found := re.search(r"os error (\d+)", text)):  # safetensors' way to say it
        number = int(found[1])
    if number is not None:
        text = os.strerror(number)
    if number == errno.ELOOP:
        text = "a link lies in its place, and nothing is written through one; remove the link"
    if any(words in text for words in TORN):
        text, number = "the file took no more", errno.ENOSPC
    if number not in FULL:
        return text
    free = shutil.disk_usage(next(folder for folder in path.absolute().parents if folder.is_dir())).free
    return f"{text}; {free / 2**20:.1f} MiB are free on its disk"


def sync(path: Path) -> None:
    """Wait until a file, or a folder's entries, are on the disk; some network drives cannot say so of a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not (path.is_dir() and error.errno in NO_SYNC):
            raise
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def regular(path: str | Path) -> Path:
    """A path to open for reading: `/dev/zero` has no end, and a FIFO none to begin with.

    Folders pass: opening one is an error of its own.

    Raises:
        OSError: nothing is there, or a device, FIFO or socket.
    """
    path = Path(path)
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        kind = "a FIFO" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
        raise OSError(errno.EINVAL, f"it is {kind}; expected a regular file", str(path))
    return path
