"""What a run has measured so far, in a file of its own until it is whole: a run that was stopped goes on there."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ir_quality_plugin.checkpoints.write import whole

ROOT = Path(__file__).parents[2]


def state_of_sources() -> str:
    """A digest of the commit and of what was changed since; two runs that differ in it have no figures to share."""
    words = (("rev-parse", "HEAD"), ("diff", "HEAD", "--", "*.py"))
    found = [subprocess.run(["git", "-C", str(ROOT), *call], capture_output=True, check=False).stdout for call in words]
    return hashlib.blake2b(b"\0".join(found), digest_size=8).hexdigest()


class Unfinished:
    """The figures of a run, written after each.

    Args:
        out: where the whole result will be; the unfinished one lies beside it. None to keep nothing.
        settings: what figures depend on; an unfinished run of other settings is begun anew.

    Attributes:
        result: "settings", "machine", and the figures by part and name.
    """

    def __init__(self, out: Path | None, settings: Mapping[str, Any]) -> None:
        self.path = None if out is None else out.with_name(f".{out.name}.unfinished")
        self.result: dict[str, Any] = {"settings": dict(settings)}
        if self.path is not None and self.path.is_file():
            found = json.loads(self.path.read_text())
            if found["settings"] == self.result["settings"]:
                self.result = found

    def has(self, part: str, name: str) -> bool:
        """Whether a figure is there."""
        return name in self.result.get(part, {})

    def begin(self, machine: Mapping[str, Any]) -> None:
        """Keep what is said of the machine, and of a run that goes on the larger load."""
        kept = self.result.setdefault("machine", dict(machine))
        kept["load_average"] = max(kept["load_average"], machine["load_average"])
        kept["shared"] = kept["shared"] or machine["shared"]

    def spend(self, part: str, seconds: float, load_average: float, own_load: float) -> None:
        """Add what a figure of a part took, and keep the largest load; `add` writes it down.

        Args:
            part: of the run.
            seconds: on the clock.
            load_average: of the machine, after it.
            own_load: how much of that the run itself may be.
        """
        spent = self.result.setdefault("conduct", {}).setdefault(part, {"seconds": 0.0, "load_average": 0.0})
        spent["seconds"] += seconds
        machine = self.result["machine"]
        for kept in (spent, machine):
            kept["load_average"] = max(kept["load_average"], load_average)
        machine["shared"] = machine["shared"] or load_average > own_load

    def add(self, part: str, name: str, figures: Any) -> None:
        """Keep a figure, and write all so far."""
        self.result.setdefault(part, {})[name] = figures
        if self.path is not None:
            with whole(self.path) as unfinished:
                unfinished.write_text(json.dumps(self.result))

    def finish(self) -> None:
        """Remove the unfinished file."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
