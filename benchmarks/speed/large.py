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
SCORERS = (*(f"{method}-s" for method in METHODS), *METHODS)
GUIDES = {"degraded": "--degraded", "any-clean": "--reference"}


def large_image(command: str, scorer: str) -> dict[str, Any]:
    """Bytes at most of `irq COMMAND` with one scorer on one image, beside the same on a small one, and its seconds."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        large, small = (_arguments(root / name, size, command, scorer) for name, size in
                        (("large", SIZE), ("small", SMALL)))  # fmt: skip
        began = time.perf_counter()
        peak = peak_of_command(large)
        seconds = time.perf_counter() - began
        return {"peak_bytes": peak, "small_bytes": peak_of_command(small), "seconds": seconds}


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


def bound(found: dict[str, Any]) -> int:
    """Bytes that the large image took above the small one."""
    return found["peak_bytes"] - found["small_bytes"]
