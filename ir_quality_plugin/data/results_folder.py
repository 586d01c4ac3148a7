"""A folder of results belongs to one command, and to one run of it at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import CheckpointError, UsageError

OUTPUTS = ("scores.csv", "summary.json", "report.html")
OWNER, LOCK = ".irq", ".irq.lock"


@contextmanager
def held(out: Path, command: str) -> Iterator[None]:
    """Hold a folder while a command writes its results there; made where it is not there yet.

    The lock is the system's: a kill at any moment leaves nothing locked. What a kill left of a file that was being
    written is removed.

    Args:
        out: the folder.
        command: whose results they are, such as "evaluate".

    Raises:
        UsageError: it is no folder, another run is writing there, or it has the results of something else.
        CheckpointError: it cannot be written to, or cannot be locked.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: it is a file; expected a folder")
    owner = _owner(out)
    if owner not in (None, command):
        raise UsageError(f"--out {out}: it holds results of {owner}; expected a new folder, or one of irq {command}")
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / LOCK, timeout=0)
        lock.acquire()
    except Timeout as error:
        raise UsageError(
            f"--out {out}: another run is writing there; wait until it has ended, or choose another folder"
        ) from error
    except (OSError, NotImplementedError) as error:
        raise CheckpointError(f"--out {out}: it cannot be written to or locked ({error}); choose another") from error
    try:
        for name in OUTPUTS:
            for path in out.glob(f".{name}.*.unfinished"):
                path.unlink(missing_ok=True)
        (out / OWNER).write_text(command)
        yield
    finally:
        lock.release()


def _owner(out: Path) -> str | None:
    """Whose results lie there; None where there are none."""
    if (out / OWNER).is_file() and (named := (out / OWNER).read_text()):  # empty where a kill fell between
        return named
    return next((f"something else (a {name})" for name in OUTPUTS if (out / name).exists()), None)
