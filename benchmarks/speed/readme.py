"""Write the README's figures of speed from a result: `python -m benchmarks.speed.readme benchmarks/results/speed.json`.

They stand between two comments, and a test holds them to the committed result.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from ir_quality_plugin.checkpoints.write import whole

from .rows import PRECISIONS
from .table import floor_share, memory_ratio, ratio

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- speed: python -m benchmarks.speed.readme -->", "<!-- end of speed -->"


def figures(result: dict[str, Any]) -> str:
    """The table and the sentences behind it."""
    machine = result["machine"]
    shared = ", which other work shared" if machine["shared"] else ""
    clock = "CPU time" if machine["clock"] == "cpu" else "wall time"
    lines = [
        f"{machine['hardware']}, {machine['threads']} of {machine['cores']} cores{shared}, {clock}, {machine['date']}; "
        "times faster than the peer in fp32, and peak memory of a call beside the peer's:",
        "",
        "| what | beside | fp32 | bf16 | memory fp32 | memory bf16 |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in result["rows"].items():
        faster = [f"{ratio(row, precision):.1f}x" for precision in PRECISIONS]
        memory = [f"{memory_ratio(result, name, precision, 'later'):.2f}x" for precision in PRECISIONS]
        lines.append("| " + " | ".join([row["name"], row["peer"], *faster, *memory]) + " |")
    shares = {precision: [floor_share(result, row, precision) for row in result["rows"].values()]
              for precision in PRECISIONS}  # fmt: skip
    spans = [f"{min(found):.0%} to {max(found):.0%} in {precision}" for precision, found in shares.items()]
    compact = [f"{method}-s {entry['ratio']:.0f}x" for method, entry in result["compact"].items()]
    agreement = min(entry["srcc"] for entry in result["agreement"].values())
    evaluation = [f"{entry['ratio_of_medians']:.2f} ({precision})" for precision, entry in result["evaluation"].items()]
    lines += [
        "",
        f"That is {spans[0]} and {spans[1]} of what the processor's fastest convolutions allow. Compact scorers beside "
        f"their full sizes: {', '.join(compact)}. `irq evaluate` from disk, beside the raw forward: "
        f"{', '.join(evaluation)}. SRCC of bf16 with fp32 scores over 500 spoiled photographs: at least "
        f"{int(agreement * 1e4) / 1e4:.4f}.",
    ]
    return "\n".join(lines)


def filled(text: str, result: dict[str, Any]) -> str:
    """The README with the figures of a result.

    Raises:
        LookupError: the comments that the figures stand between are not there.
    """
    pattern = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(text):
        raise LookupError(f"README.md has no figures between {BEGIN} and {END}; put the two lines back")
    return pattern.sub(lambda _: f"{BEGIN}\n{figures(result)}\n{END}", text)


def main() -> None:
    """Fill in the README."""
    result = json.loads(Path(sys.argv[1]).read_text())
    text = filled(README.read_text(encoding="utf-8"), result)
    with whole(README) as path:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
