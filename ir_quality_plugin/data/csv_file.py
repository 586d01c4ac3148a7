"""Rows of a CSV by column, as people's spreadsheets write them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError
from ..files import regular


def read_lines(path: Path) -> list[str]:
    """The lines of a text that are not blank.

    Raises:
        UsageError: it cannot be read, or is no text in UTF-8.
    """
    try:
        return [line for line in regular(path).read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as text: {error}") from error


def read_entries(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a CSV whose first line names its columns.

    Args:
        path: of the file, in UTF-8; spaces behind commas are no part of a field.
        columns: that it must have; it may have others.

    Returns:
        One mapping a row; none where the file has no row.

    Raises:
        UsageError: it cannot be read, lacks a column, or a row has more or fewer fields than the first line.
    """
    try:
        with regular(path).open(newline="", encoding="utf-8-sig") as file:
            entries = list(csv.DictReader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as CSV: {error}") from error
    missing = [column for column in columns if entries and column not in entries[0]]
    if missing:
        there = ", ".join(filter(None, entries[0]))  # fields beyond the first line's have no name
        raise UsageError(f"{path} has no column {', '.join(map(repr, missing))}; it has {there}")
    broken = next((number for number, entry in enumerate(entries, 2) if None in entry.values() or None in entry), None)
    if broken:
        raise UsageError(f"{path}, line {broken}: more or fewer fields than the header; mend or remove it")
    return entries
