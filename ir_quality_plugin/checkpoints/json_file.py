"""Documents as JSON files that any program reads."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .write import whole


def write_json(path: Path, document: Any) -> Path:
    """Write a JSON document in UTF-8, whole or not at all.

    Args:
        path: of the file.
        document: as `plain` makes it.

    Returns:
        The path.

    Raises:
        CheckpointError: the file cannot be written, or the document holds what JSON cannot, such as NaN.
    """
    with whole(path) as unfinished:
        unfinished.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path


def plain(value: Any, number: Callable[[float], float] = float) -> Any:
    """The same as JSON can hold it: tuples as lists, numbers that are none as None.

    Args:
        value: a value, or mappings and sequences of values.
        number: how every other floating point number is written.
    """
    if isinstance(value, Mapping):
        return {name: plain(entry, number) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry, number) for entry in value]
    if isinstance(value, float):
        return number(value) if math.isfinite(value) else None
    return value
