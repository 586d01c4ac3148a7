"""Forced choices between two images, read from a CSV."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..errors import UsageError, nearest
from .csv_file import read_entries
from .labels import LabelTable

COLUMNS = ("first", "second", "first_votes", "second_votes")


class Vote(NamedTuple):
    """One pair that people chose from.

    Attributes:
        first: path of an image.
        second: path of the other.
        share_first: of the voters who chose the first, in [0,1].
    """

    first: Path
    second: Path
    share_first: float


def read_votes(path: Path, table: LabelTable) -> list[Vote]:
    """Read `first,second,first_votes,second_votes`; images are named as in the table: by path, or by file name alone.

    Args:
        path: of the CSV.
        table: whose images were voted on, those that are missing or kept apart among them.

    Returns:
        One vote a pair.

    Raises:
        UsageError: columns, numbers or images that are not there; an image's name that several of the table share.
    """
    entries = read_entries(path, COLUMNS)
    if not entries:
        raise UsageError(f"{path} has no row; expected the columns {', '.join(COLUMNS)} and at least one row")
    named: dict[str, list[Path]] = {}
    for row in table.listed:
        named.setdefault(row.image.name, []).append(row.image)
    return [_vote(entry, named, f"{path.name}, line {line}") for line, entry in enumerate(entries, 2)]


def _vote(entry: dict[str, str], named: dict[str, list[Path]], where: str) -> Vote:
    try:
        counts = [float(entry[column]) for column in COLUMNS[2:]]
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}: {error}; expected numbers of votes") from error
    if not (min(counts) >= 0 and 0 < sum(counts) < float("inf")):
        raise UsageError(f"{where}: {counts[0]:g} and {counts[1]:g} votes; expected at least one in all, none negative")
    return Vote(_image(entry["first"], named, where), _image(entry["second"], named, where), counts[0] / sum(counts))


def _image(text: str | None, named: dict[str, list[Path]], where: str) -> Path:
    wanted = Path(text or "")
    candidates = named.get(wanted.name, [])
    exact = [path for path in candidates if path.parts[-len(wanted.parts) :] == wanted.parts]
    if len(exact) == 1:
        return exact[0]
    if exact:
        raise UsageError(f"{where}: {text!r} is the name of {len(exact)} images; write more of the path")
    raise UsageError(f"{where}: the labels have no image {text!r}; {nearest(wanted.name, named)}")
