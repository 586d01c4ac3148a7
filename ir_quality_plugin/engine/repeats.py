"""Trainings that differ by their seed: what the field reports of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median


def medians(folders: Sequence[Path]) -> dict[str, tuple[float, float, float]]:
    """The median, least and greatest value of each measure over runs.

    Args:
        folders: of the runs; the last test of each counts, or its last validation where none was tested.

    Returns:
        By measure; one that is not a number in some run is left out.
    """
    means = [_last(folder) for folder in folders]
    names = [name for name in means[0] if all(found.get(name) is not None for found in means)]
    found = {name: [float(mean[name]) for mean in means] for name in names}
    return {name: (median(values), min(values), max(values)) for name, values in found.items()}


def _last(folder: Path) -> dict[str, float]:
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    judged = [entry for kind in ("val", "test") for entry in entries if entry["kind"] == kind]
    return judged[-1]["mean"] if judged else {}
