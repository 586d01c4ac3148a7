"""The log of a run: one line a restored file, appended as it is scored; it survives a kill at any moment."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..checkpoints.json_file import write_json
from ..checkpoints.write import why
from ..data.results_folder import differing
from ..errors import CheckpointError, UsageError
from .judging import Item

FORMAT = 4
# Of one session and process.
SESSION = re.compile(r"\d{4,}-\d{4,}\.jsonl")
State = list[int] | None
Stamp = list[list[Any]]


class RowLog:
    """The rows of a run in a folder, beside the options that they were made with.

    Args:
        folder: of the log.
        options: what rows depend on: two runs whose options differ have nothing to share.
    """

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        self.folder, self.options = folder, json.loads(json.dumps({"format": FORMAT, **options}))

    @property
    def header(self) -> Path:
        """The file of the options."""
        return self.folder / "run.json"

    def prepare(self, restart: bool) -> None:
        """Begin the log, or check that an earlier one is of the same options; for one process alone.

        Args:
            restart: throw an earlier log away.

        Raises:
            UsageError: names the options that differ.
            CheckpointError: the folder cannot be written, or the earlier log cannot be read.
        """
        if restart:
            self._forget()
        if not self.header.is_file():
            self._forget()  # rows without a header are those of a restart that was killed
            write_json(self.header, {"began": date.today().isoformat(), **self.options})
            return
        earlier = self._earlier()
        earlier.pop("began", None)
        changed = list(differing(earlier, self.options))
        if changed:
            raise UsageError(
                f"{self.folder.parent} holds a run with other options: {'; '.join(changed)}; expected the "
                "same ones to go on; choose another --out, or begin anew with --restart"
            )

    def began(self) -> str:
        """The day on which the run was begun, however often it was gone on with."""
        return str(self._earlier()["began"])

    def _earlier(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.header.read_text(encoding="utf-8")))
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"{self.header} is damaged ({error}); begin anew with --restart") from error

    def is_sound(self) -> bool:
        """Whether a log of ours is there, whatever its options."""
        try:
            return self._earlier().keys() >= {"began", "format"}
        except (CheckpointError, OSError):
            return False

    def _sessions(self) -> list[Path]:
        """The files of rows, oldest session first; what others have put beside them is not ours to read or remove."""
        return sorted(path for path in self.folder.glob("*.jsonl") if SESSION.fullmatch(path.name))

    def _forget(self) -> None:
        """Remove the rows, and the header last: as long as it is there, they are those of its options."""
        for path in self._sessions():
            path.unlink()
        self.header.unlink(missing_ok=True)

    def read(self) -> Iterator[dict[str, Any]]:
        """Every sound row, oldest session first; a line that a kill cut off, or that was damaged since, is none."""
        for path in self._sessions():
            with path.open("rb") as lines:
                for line in lines:
                    checksum, _, text = line.partition(b" ")
                    if checksum == _checksum(text):  # else that file is scored again
                        yield json.loads(text)

    def next_session(self) -> int:
        """Number of the session that begins now; the same on all processes until one of them writes."""
        return max((int(path.name.split("-")[0]) for path in self._sessions()), default=0) + 1

    def writer(self, session: int, process: int) -> RowWriter:
        """Append rows of one process; every session has files of its own, so that no cut-off line is continued."""
        return RowWriter(self.folder / f"{session:04d}-{process:04d}.jsonl")


class RowWriter:
    """Append rows to a file; each is handed to the system before the next is computed.

    Args:
        path: of a file that does not exist yet.

    Raises:
        CheckpointError: the disk is full, or the folder cannot be written to; rows that were added before are kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        try:
            self._file = self.path.open("xb", buffering=0)
        except OSError as error:
            raise self._unwritten(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, row: Mapping[str, Any]) -> None:
        """Append one row, behind the checksum that it is read by."""
        text = json.dumps(row).encode() + b"\n"
        line = memoryview(_checksum(text) + b" " + text)
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            raise self._unwritten(error) from error

    def _unwritten(self, error: OSError) -> CheckpointError:
        return CheckpointError(
            f"cannot write {self.path} ({why(self.path, error)}); the rows before are kept; check the folder and the "
            "disk, and call it again to go on"
        )


def _checksum(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)


def state_of(path: Path) -> State:
    """Size and time of change of a file; None of one that is not there."""
    try:
        state = path.stat()
    except OSError:
        return None
    return [state.st_size, state.st_mtime_ns]


def stamp(item: Item, roles: Sequence[str], states: Mapping[Path, State] | None = None) -> Stamp:
    """Folder, name and state of those of an item's files that are read: a row holds as long as these stay.

    Args:
        item: the files.
        roles: which of them are read.
        states: of files as they were once; as they are now where they are not given.
    """
    files = [(role, item.files[role]) for role in roles if role in item.files]
    return [
        [role, item.places.get(role), path.name, state_of(path) if states is None else states[path]]
        for role, path in files
    ]
