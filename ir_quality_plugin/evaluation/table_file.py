"""The table of scores as a file that any program reads."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from ..checkpoints.write import whole
from ..data.score_table import COLUMNS, ScoreTable


def write_scores(path: Path, table: ScoreTable) -> Path:
    """Write one line a score or failure, in a fixed order, whole or not at all.

    Args:
        path: of the CSV file.
        table: the scores.

    Raises:
        CheckpointError: the file cannot be written.
    """
    # A file's name may hold bytes that are no text: they are written as they are.
    with whole(path) as unfinished, unfinished.open("wb") as binary:
        file = io.TextIOWrapper(binary, encoding="utf-8", errors="surrogateescape", newline="", write_through=True)
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(COLUMNS)
        lines.writerows(table.rows())
    return path
