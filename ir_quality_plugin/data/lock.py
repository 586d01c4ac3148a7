"""One run at a time, by a lock of the system: a kill at any moment leaves nothing locked."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from ..errors import CheckpointError, UsageError

# What a disk answers that knows no locks, such as NFS without its lock daemon.
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file inside of the block. Where the disk knows no locks, `PATH.held` is one by being there.

    Args:
        path: of the file; its folder is made where it is not there yet.
        what: what is locked, as an error begins.

    Raises:
        UsageError: another run holds it.
        CheckpointError: it cannot be written to, or cannot be locked.
    """
    # Not the file that the system could not lock: it may lie there since long, and be nobody's.
    by_being_there = path.with_name(f"{path.name}.held")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _acquired(path, by_being_there)
    except Timeout as error:
        raise UsageError(
            f"{what}: another run is writing there; wait until it has ended, or choose another folder; if it ended on "
            f"another machine whose disk knows no locks, delete {by_being_there if by_being_there.exists() else path}"
        ) from error
    except (OSError, NotImplementedError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CheckpointError(f"{what}: it cannot be written to or locked ({reason}); choose another folder") from error
    try:
        yield
    finally:
        lock.release()


def lock_of_training(root: Path, name: str) -> Path:
    """The lock file of a training, by whichever trainer.

    It is not in the run's folder, which is put aside when a run begins anew, nor among other runs' folders.
    """
    return root / ".irq_locks" / f"{name}.lock"


def _acquired(path: Path, by_being_there: Path) -> BaseFileLock:
    lock: BaseFileLock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        if isinstance(error, Timeout) or (isinstance(error, OSError) and error.errno not in NO_LOCKS):
            raise
        lock = SoftFileLock(by_being_there, timeout=0)
        lock.acquire()
    return lock
