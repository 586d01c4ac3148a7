"""What every result says of itself: date, commit, hardware."""

import os
import platform
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import torch

import ir_quality_plugin

ROOT = Path(__file__).resolve().parents[1]


def provenance() -> dict[str, Any]:
    """Date, commit (and whether anything was changed since), hardware and how busy it was, and torch's version.

    Raises:
        SystemExit: the package that is measured is not the one of this commit.
    """
    measured = Path(ir_quality_plugin.__file__).resolve().parents[1]
    if measured != ROOT:
        raise SystemExit(
            f"ir_quality_plugin is imported from {measured}; expected {ROOT}, whose commit a result names: "
            f"install that clone, or set PYTHONPATH={ROOT}"
        )
    changed = " with changes" if _git("status", "--porcelain") else ""
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return {
        "date": str(date.today()),
        "commit": _git("rev-parse", "--short", "HEAD") + changed,
        "hardware": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_average": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
    }


def _git(*words: str) -> str:
    call = ["git", "-C", str(Path(__file__).parent), *words]
    return subprocess.run(call, capture_output=True, text=True, check=False).stdout.strip()
