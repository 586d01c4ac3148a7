"""A folder of results belongs to one command, and to one run of it at a time."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, ImageError, UsageError
from ..files import sync, unwritten, whole, why
from .lock import locked

OUTPUTS = ("scores.csv", "summary.json", "report.html")
# Where a command has further files.
FOLDERS = {"evaluate": "rows", "probe": "pictures"}
OWNER, LOCK = ".irq", ".irq.lock"
TOGETHER = "results"


@contextmanager
def held(
    out: Path,
    command: str,
    options: Mapping[str, Any] | None = None,
    known: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[None]:
    """Hold a folder while a command writes its results there; made where it is not there yet.

    The lock is the system's: a kill at any moment leaves nothing locked. What a kill left of a file that was being
    written is removed.

    Args:
        out: the folder.
        command: whose results they are, such as "evaluate".
        options: what they depend on, in JSON's types; None where the command itself sees to that.
        known: whether something else in the folder shows that it is the command's, should `.irq` be lost or damaged.
        say: how a line reaches the user.

    Raises:
        UsageError: it is no folder, another run is writing there, or it has the results of something else, or of other
            options.
        CheckpointError: it cannot be written to, or cannot be locked.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: it is a file; expected a folder")
    now = {"command": command, "options": None if options is None else json.loads(json.dumps(options))}
    _check_owner(out, now, known)
    with locked(out / LOCK, f"--out {out}"):
        earlier = _check_owner(out, now, known)
        for path in _unfinished(out, command):
            _remove(path)
        if earlier != now or (out / OWNER).is_symlink():
            _own(out, now)
            if earlier is None and known():
                say(f"{out / OWNER}, which says whose folder it is, was lost or damaged; it is written anew")
        yield


def _own(out: Path, now: Mapping[str, Any]) -> None:
    """Write down whose folder it is."""
    try:
        with whole(out / OWNER) as unfinished:
            unfinished.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    except CheckpointError as error:
        raise CheckpointError(f"--out {out}: it cannot be written to: {error}; or choose another folder") from error


def _unfinished(out: Path, command: str) -> list[Path]:
    """What a kill left of files of ours, and of nobody else's in a folder that is shared."""
    names = (OWNER, *OUTPUTS, TOGETHER)
    own = [path for name in names for path in out.glob(f".{name}.*.unfinished")]
    return own + [path for of, name in FOLDERS.items() if of == command for path in (out / name).rglob(".*.unfinished")]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def forget(out: Path) -> None:
    """Remove an earlier run's results, as a restart asks for."""
    for name in OUTPUTS:
        (out / name).unlink(missing_ok=True)


@contextmanager
def taking_their_place(out: Path) -> Iterator[Path]:
    """Give a folder to write results to: until all are whole, those of an earlier run stand, and are gone then.

    Where no earlier ones are, it is `out` itself, and each file stays that was written.

    Raises:
        CheckpointError: the folder cannot be written to, or the disk is full.
    """
    if not any((out / name).exists() for name in OUTPUTS):
        yield out
        return
    try:
        unfinished = Path(tempfile.mkdtemp(prefix=f".{TOGETHER}.", suffix=".unfinished", dir=out))
    except OSError as error:
        raise unwritten(out / OUTPUTS[0], error) from error
    try:
        try:
            yield unfinished
        except ImageError:  # that nothing can be judged is a result as well, whose reasons the table has
            _replace_all(unfinished, out)
            raise
        _replace_all(unfinished, out)
    except CheckpointError as error:
        raise CheckpointError(str(error).replace(str(unfinished), str(out))) from error
    except OSError as error:
        raise CheckpointError(
            f"cannot write the results of {out} ({why(out / OUTPUTS[0], error)}); check the folder, and call it again"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _replace_all(unfinished: Path, out: Path) -> None:
    with ExitStack() as row:  # all of them, also where a signal comes in between
        for name in reversed(OUTPUTS):
            row.callback(_replace, unfinished / name, out / name)
    sync(out)


def _replace(new: Path, old: Path) -> None:
    if new.exists():
        new.replace(old)
    else:
        old.unlink(missing_ok=True)


def _check_owner(out: Path, now: Mapping[str, Any], known: Callable[[], bool]) -> dict[str, Any] | None:
    """Refuse results of another command, or of other options; gives whose they are, None where nothing says so."""
    command = now["command"]
    there = [name for name in OUTPUTS if (out / name).exists()]
    remedy = f"expected a new folder, or one of the same irq {command}"
    try:
        earlier = json.loads((out / OWNER).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        earlier = None
    except (OSError, ValueError):
        earlier = {}
    damaged = earlier is not None and not (isinstance(earlier, dict) and {"command", "options"} <= earlier.keys())
    if earlier is None or damaged:
        there += [name for of, name in FOLDERS.items() if of == command and _holds_anything(out / name)]
        if damaged and not known():
            raise UsageError(
                f"{out / OWNER} is damaged, and nothing else says whose folder it is; choose another --out, or move "
                f"{', '.join([*there, OWNER])} elsewhere"
            )
        if there and not known():
            raise UsageError(f"--out {out}: it holds results of something else (a {there[0]}); {remedy}")
        return None
    if earlier["command"] != command:
        raise UsageError(f"--out {out}: it holds results of irq {earlier['command']}; {remedy}")
    if there and earlier["options"] != now["options"]:
        changed = differing(earlier["options"] or {}, now["options"] or {})
        raise UsageError(f"--out {out}: it holds results of other options ({'; '.join(changed)}); {remedy}")
    return earlier


def _holds_anything(folder: Path) -> bool:
    return folder.is_dir() and next(folder.iterdir(), None) is not None


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
