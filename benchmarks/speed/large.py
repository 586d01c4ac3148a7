"""Memory of one image of 7680 x 4320 pixels, as a user meets it: whole commands in processes of their own."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from ir_quality_plugin.catalog import find_entry

from .memory import peak_of_command
from .rows import METHODS

SIZE, SMALL, SCALE = (7680, 4320), (256, 256), 4
COMMANDS = ("score", "evaluate")
COMPACT = tuple(f"{method}-s" for method in METHODS)
GUIDES = {"degraded": "--degraded", "any-clean": "--reference"}


def large_image(command: str, scorer: str) -> dict[str, Any]:
    """Bytes at most of `irq COMMAND` with one scorer on one such image, and its seconds."""
    return _measured(SIZE, command, scorer)


def small_image(command: str) -> dict[str, Any]:
    """The same on a small image by one of the compact scorers: what Python and torch hold at any rate."""
    return _measured(SMALL, command, COMPACT[0])


def _measured(size: tuple[int, int], command: str, scorer: str) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        arguments = _arguments(Path(folder), size, command, scorer)
        began = time.perf_counter()
        return {"peak_bytes": peak_of_command(arguments), "seconds": time.perf_counter() - began}


def _arguments(root: Path, size: tuple[int, int], command: str, scorer: str) -> list[str]:
    width, height = size
    guide = GUIDES.get(find_entry(scorer).card.reference)
    folders = {"restored": size, "guide": (width // SCALE, height // SCALE)}
    for name, (columns, rows) in folders.items():
        (root / name).mkdir(parents=True)
        values = np.random.default_rng(0).integers(0, 256, (rows // 8, columns // 8, 3), dtype=np.uint8)
        Image.fromarray(values).resize((columns, rows), Image.Resampling.BILINEAR).save(root / name / "image.bmp")
    given = [guide, str(root / "guide")] if guide else []
    weights = "default" if scorer.endswith("-s") else "random"
    if command == "score":
        return ["ir_quality_plugin", "score", str(root / "restored"), "--scorer", scorer, "--weights", weights, *given]
    named = scorer if weights == "default" else f"{scorer}={weights}"
    written = ["--out", str(root / "out"), "--restored", f"method={root / 'restored'}"]
    return ["ir_quality_plugin", "evaluate", *written, "--scorer", named, *given]
