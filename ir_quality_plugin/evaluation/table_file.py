"""The table of scores as a file."""

from __future__ import annotations

from pathlib import Path

from ..checkpoints.table_file import write_table
from ..data.score_table import COLUMNS, ScoreTable


def write_scores(path: Path, table: ScoreTable) -> Path:
    """Write one line a score or failure, in a fixed order, whole or not at all.

    Args:
        path: of the CSV file.
        table: the scores.

    Raises:
        CheckpointError: the file cannot be written.
    """
    return write_table(path, COLUMNS, table.rows())
