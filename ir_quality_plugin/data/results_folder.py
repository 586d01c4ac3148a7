"""A folder of results belongs to one command, and to one run of it at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, UsageError
from .lock import locked

OUTPUTS = ("scores.csv", "summary.json", "report.html")
FOLDERS = ("rows", "pictures")
OWNER, LOCK = ".irq", ".irq.lock"


@contextmanager
def held(out: Path, command: str, options: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Hold a folder while a command writes its results there; made where it is not there yet.

    The lock is the system's: a kill at any moment leaves nothing locked. What a kill left of a file that was being
    written is removed.

    Args:
        out: the folder.
        command: whose results they are, such as "evaluate".
        options: what they depend on, in JSON's types; None where the command itself sees to that.

    Raises:
        UsageError: it is no folder, another run is writing there, or it has the results of something else, or of other
            options.
        CheckpointError: it cannot be written to, or cannot be locked.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: it is a file; expected a folder")
    now = {"command": command, "options": None if options is None else json.loads(json.dumps(options))}
    _check_owner(out, now)
    with locked(out / LOCK, f"--out {out}"):
        for path in _unfinished(out):
            path.unlink(missing_ok=True)
        _check_owner(out, now)
        _own(out, now)
        yield


def _own(out: Path, now: Mapping[str, Any]) -> None:
    """Write down whose folder it is."""
    unfinished = out / f"{OWNER}.unfinished"
    try:
        unfinished.unlink(missing_ok=True)  # a link that lies there must not be written through
        with unfinished.open("x", encoding="utf-8") as file:
            file.write(json.dumps(now, indent=1) + "\n")
        unfinished.replace(out / OWNER)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise CheckpointError(
            f"--out {out}: it cannot be written to ({error.strerror}); check the disk, or choose another folder"
        ) from error


def _unfinished(out: Path) -> list[Path]:
    """What a kill left of files of ours, and of nobody else's in a folder that is shared."""
    own = [path for name in OUTPUTS for path in out.glob(f".{name}.*.unfinished")]
    return own + [path for folder in FOLDERS for path in (out / folder).rglob(".*.unfinished")]


def forget(out: Path) -> None:
    """Remove an earlier run's results, so that none of them stands beside those of a run that fails half-way."""
    for name in OUTPUTS:
        (out / name).unlink(missing_ok=True)


def _check_owner(out: Path, now: Mapping[str, Any]) -> None:
    """Refuse results of another command, or of other options."""
    there = [name for name in OUTPUTS if (out / name).exists()]
    try:
        earlier = json.loads((out / OWNER).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        earlier = None
    except (OSError, ValueError):
        earlier = {}
    if earlier is not None and not (isinstance(earlier, dict) and {"command", "options"} <= earlier.keys()):
        raise UsageError(f"{out / OWNER} is damaged; choose another --out, or delete the folder")
    remedy = f"expected a new folder, or one of the same irq {now['command']}"
    if earlier is None:
        if there:
            raise UsageError(f"--out {out}: it holds results of something else (a {there[0]}); {remedy}")
        return
    if earlier["command"] != now["command"]:
        raise UsageError(f"--out {out}: it holds results of irq {earlier['command']}; {remedy}")
    if there and earlier["options"] != now["options"]:
        changed = differing(earlier["options"] or {}, now["options"] or {})
        raise UsageError(f"--out {out}: it holds results of other options ({'; '.join(changed)}); {remedy}")


def differing(was: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Say how options differ, those within options by their path."""
    for name in sorted({*was, *now}):
        one, other = was.get(name), now.get(name)
        if not (isinstance(one, dict) and isinstance(other, dict)):
            if one != other:
                yield f"{path}{name} was {one} and is {other}"
        elif one.keys() != other.keys():
            yield f"{path}{name} was {', '.join(one)} and is {', '.join(other)}"
        else:
            yield from differing(one, other, f"{path}{name}: ")


def place(path: Path) -> str:
    """What options call a file or folder: its name, and a digest of where it lies, which tells others nothing."""
    return f"{path.resolve().name} ({hashlib.sha256(bytes(path.resolve())).hexdigest()[:8]})"
