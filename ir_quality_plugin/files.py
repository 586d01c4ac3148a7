"""What may be opened: files, and not what only looks like one."""

from __future__ import annotations

import errno
import stat
from pathlib import Path


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
