"""Write the README's figures of speed from a result: `python -m benchmarks.speed.readme benchmarks/results/speed.json`.

They stand between two comments, and a test holds them to the committed result.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ir_quality_plugin.checkpoints.write import whole

from ..readme import README, filled
from .precision import PRECISIONS
from .ratios import faster, floor_share, memory_ratio
from .table import duration, spoiled

BEGIN, END = "<!-- speed: python -m benchmarks.speed.readme -->", "<!-- end of speed -->"


def figures(result: dict[str, Any]) -> str:
    """The table, and a sentence for every other part that was measured."""
    machine = result["machine"]
    shared = ", which other work shared" if machine["shared"] else ""
    clock = "CPU time" if machine["clock"] == "cpu" else "wall time"
    about = (
        f"{machine['hardware']}, {machine['threads']} of {machine['cores']} cores{shared}, {clock}, {machine['date']}; "
        "how many times faster than the peer in fp32"
    )
    sentences = [says(result) for part, says in SENTENCES.items() if part in result]
    with_memory = "memory" in result
    lines = [
        f"{about}, and the peak memory of the first call, with what stays of it, and of later ones beside the peer's:"
        if with_memory
        else f"{about}:",
        "",
        "| what | beside | fp32 | bf16 |" + (" memory fp32 | memory bf16 |" if with_memory else ""),
        "|---" * (6 if with_memory else 4) + "|",
    ]
    for name, row in result["rows"].items():
        cells = [row["name"], row["peer"], *(faster(row, precision) for precision in PRECISIONS)]
        if with_memory:
            cells += [_memory(result, name, precision) for precision in PRECISIONS]
        lines.append("| " + " | ".join(cells) + " |")
    if "conduct" in result:
        sentences.append(f"The run took {duration(result)}.")
    return "\n".join([*lines, "", " ".join(sentences)])


def _memory(result: dict[str, Any], name: str, precision: str) -> str:
    first, later = (memory_ratio(result, name, precision, call) for call in ("first", "later"))
    return f"{first:.2f}x, later {later:.2f}x"


def _floor(result: dict[str, Any]) -> str:
    rows = result["rows"].values()
    shares = {precision: [floor_share(result, row, precision) for row in rows] for precision in PRECISIONS}
    spans = [f"{min(found):.0%} to {max(found):.0%} in {precision}" for precision, found in shares.items()]
    return f"That is {' and '.join(spans)} of what the processor's fastest convolutions allow."


def _compact(result: dict[str, Any]) -> str:
    found = [f"{method}-s {entry['ratio']:.0f}x" for method, entry in result["compact"].items()]
    return f"Compact scorers are faster than their full sizes: {', '.join(found)}."


def _evaluation(result: dict[str, Any]) -> str:
    found: dict[str, list[str]] = {}
    for name, entry in result["evaluation"].items():
        scorer, precision = name.split()
        found.setdefault(scorer, []).append(f"{entry['ratio']:.2f}x in {precision}")
    listed = "; ".join(f"{scorer} {' and '.join(ratios)}" for scorer, ratios in found.items())
    return f"`irq evaluate` from disk runs at so much of the raw forward's speed on images in memory: {listed}."


def _agreement(result: dict[str, Any]) -> str:
    entries = result["agreement"]
    first = next(iter(entries.values()))
    if "squares" not in first:
        least = min(entry["srcc"] for entry in entries.values())
        said = f"at least {int(least * 1e4) / 1e4:.4f} ({', '.join(entries)})"
    else:
        said = ", ".join(f"{name} {int(entry['srcc'] * 1e4) / 1e4:.4f}" for name, entry in entries.items())
    return f"SRCC of bf16 with fp32 scores over {spoiled(first)}: {said}."


# In their order.
SENTENCES = {"floor": _floor, "compact": _compact, "evaluation": _evaluation, "agreement": _agreement}


def main() -> None:
    """Fill in the README."""
    result = json.loads(Path(sys.argv[1]).read_text())
    text = filled(README.read_text(encoding="utf-8"), BEGIN, END, figures(result))
    with whole(README) as path:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
