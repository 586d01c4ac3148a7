"""Tables as files that any program reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .write import whole


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    """Write a CSV file in UTF-8, whole or not at all.

    Args:
        path: of the file.
        columns: the first line.
        rows: the cells of every other line.

    Returns:
        The path.

    Raises:
        CheckpointError: the file cannot be written.
    """
    # A file's name may hold bytes that are no text: they are written as they are.
    with whole(path) as unfinished, unfinished.open("wb") as binary:
        file = io.TextIOWrapper(binary, encoding="utf-8", errors="surrogateescape", newline="", write_through=True)
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(columns)
        lines.writerows(rows)
    return path
