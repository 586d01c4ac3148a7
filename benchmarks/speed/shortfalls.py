"""Every figure that is short of what was asked for, part by part, and where the reasons stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .precision import PRECISIONS
from .ratios import floor_share, memory_ratio, ratio, reach

_DECISIONS = "[decisions](../../docs/decisions.md)"
# Where each part's reasons are.
WHY = {
    "rows": f'{_DECISIONS}, "What speed is left"',
    "memory": f'{_DECISIONS}, "CVRKD\'s memory"',
} | dict.fromkeys(("compact", "agreement", "evaluation", "steps"), f'{_DECISIONS}, "What else may fall short"')


# Largest difference from the peer in float32.
CLOSE = 1e-5


def shortfalls(part: str, result: dict[str, Any]) -> list[str]:
    """A line for each figure of a measured part that is short of its expectation; none for a part without one."""
    return [f"- {line}" for line in FOUND[part](result)] if part in FOUND else []


def _rows(result: dict[str, Any]) -> Iterator[str]:
    for row in result["rows"].values():
        for precision in PRECISIONS:
            faster, asked = ratio(row, precision), row["expected"][precision]
            if faster < asked:
                most, share = reach(result, row, precision), floor_share(result, row, precision)
                yield (
                    f"{row['name']}, {precision}: {faster:.1f}x of {asked:g}x. At the floor it would be {most:.1f}x; "
                    f"this is {share:.0%} of that."
                )
        if row.get("gradient"):
            off, of = row["error"]["fp32"]["of_largest"], ' of the largest value ("What else may fall short")'
        else:
            # Of a score above 1, as TeacherIQA's, as many digits are asked for, not as many places.
            off, of = row["largest_difference_fp32"] / max(row.get("largest_value_fp32", 1.0), 1.0), ""
        if not off <= CLOSE:
            yield f"{row['name']} in fp32: off from the peer by {off:.1e}{of}; {CLOSE:g} asked."


def _memory(result: dict[str, Any]) -> Iterator[str]:
    for name, row in result.get("rows", {}).items():
        for precision, asked in (row["expected_memory"] or {}).items():
            for call in ("first", "later"):
                found = memory_ratio(result, name, precision, call)
                if found > asked:
                    yield f"{row['name']} in {precision}, {call} call: {found:.2f}x of the peer's, {asked:g}x asked."


def _compact(result: dict[str, Any]) -> Iterator[str]:
    for method, entry in result["compact"].items():
        if entry["ratio"] < entry["expected"]:
            yield f"{method}-s: {entry['ratio']:.1f}x of {entry['expected']:g}x."


def _agreement(result: dict[str, Any]) -> Iterator[str]:
    for name, entry in result["agreement"].items():
        if not entry["srcc"] >= entry["expected"]:  # NaN too: all scores were one
            yield f"{name}: SRCC {entry['srcc']:.5f} of {entry['expected']:g}."


def _evaluation(result: dict[str, Any]) -> Iterator[str]:
    for name, entry in result["evaluation"].items():
        if entry["ratio"] < entry["expected"]:
            scorer, precision = name.split()
            apart = (entry["seconds"][way]["median_s"] / entry["files"] for way in ("irq evaluate", "raw forward"))
            more = (next(apart) - next(apart)) * 1e3
            yield (
                f"{scorer}, {precision}: {entry['ratio']:.2f}x of {entry['expected']:g}x: "
                f"{more:.1f} ms a file beside the forward."
            )


def _steps(result: dict[str, Any]) -> Iterator[str]:
    where = "" if result["machine"]["device"] == "cuda" else " (asked on a GPU; this is a CPU)"
    for network, entry in result["steps"].items():
        for kind in ("share", "share_recommended"):
            for precision in PRECISIONS:
                short = []
                for term, shares in entry.get(kind, {}).items():
                    asked = entry["expected"]["compact" if term.endswith("-s") else "full"]
                    if shares.get(precision, 0.0) > asked:
                        short.append(f"{term} {shares[precision]:.0%} of at most {asked:.0%}")
                if short:
                    how = "" if kind == "share" else " with the README's options"
                    yield f"{network}, {precision}{how}: {', '.join(short)}{where}."


FOUND: dict[str, Callable[[dict[str, Any]], Iterator[str]]] = {
    "rows": _rows, "memory": _memory, "compact": _compact, "agreement": _agreement, "evaluation": _evaluation,
    "steps": _steps,
}  # fmt: skip
