"""The log of a run: a line of JSON for whatever is to be looked at, and plotted, later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..checkpoints.write import appending, sync, whole, why
from ..errors import CheckpointError


class Log:
    """JSON lines of a run; a resumed run goes on where its state was written.

    Args:
        path: of the file.
        last: iteration of the state that is resumed from; later lines are dropped.
        owes_validation: whether that state was saved before its validation.

    Attributes:
        ended: whether the run had ended.
    """

    def __init__(self, path: Path, last: int = 0, owes_validation: bool = False) -> None:
        self.path = path
        entries = list(_entries(path))
        self.ended = any(entry["kind"] == "done" for entry in entries if entry["iter"] == last)
        dropped = {"val", "guard"} if owes_validation else set() if self.ended else {"test"}
        self._kept = [
            entry
            for entry in entries
            if entry["iter"] <= last and (entry["iter"] < last or entry["kind"] not in dropped)
        ]

    def begin(self) -> None:
        """Drop what is not this run's."""
        if self.path.is_file() or self.path.is_symlink():
            with whole(self.path) as unfinished:
                unfinished.write_text("".join(json.dumps(entry) + "\n" for entry in self._kept), encoding="utf-8")

    def write(self, **entry: Any) -> None:
        """Append one line; a number that is not finite, which JSON has no word for, is null.

        Raises:
            CheckpointError: the disk is full, or the folder cannot be written to.
        """
        plain = json.loads(json.dumps(entry), parse_constant=lambda name: None)
        try:
            with appending(self.path) as file:
                file.write(json.dumps(plain).encode() + b"\n")
        except OSError as error:
            raise CheckpointError(
                f"cannot write {self.path} ({why(self.path, error)}); check the folder and the disk, and go on from "
                "the last state with --auto_resume"
            ) from error

    def keep(self) -> None:
        """See to it that what was written is on the disk."""
        if self.path.is_file():
            sync(self.path)


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a log; one that a kill or a disk damaged is none."""
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            entry = json.loads(line)
            if {"iter", "kind"} <= entry.keys():
                yield entry
        except (ValueError, AttributeError):
            continue
