"""One run at a time, by a lock of the system: a kill at any moment leaves nothing locked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import CheckpointError, UsageError


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file inside of the block. Where the disk knows no locks, the file itself is the lock.

    Args:
        path: of the file; its folder is made where it is not there yet.
        what: what is locked, as an error begins.

    Raises:
        UsageError: another run holds it.
        CheckpointError: it cannot be written to, or cannot be locked.
    """
    lock = FileLock(path, timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise UsageError(
            f"{what}: another run is writing there; wait until it has ended, or choose another folder; if it ended on "
            f"another machine whose disk knows no locks, delete {path}"
        ) from error
    except (OSError, NotImplementedError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CheckpointError(f"{what}: it cannot be written to or locked ({reason}); choose another folder") from error
    try:
        yield
    finally:
        lock.release()
