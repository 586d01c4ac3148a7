"""The Markdown table and the picture of the measured figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

COLOURS = {"fp32": "#3b6ea5", "bf16": "#d08a2e"}


def ratio(row: dict[str, Any], precision: str) -> float:
    """How many times the peer's median in float32 is ours in a precision."""
    return row["seconds"]["peer fp32"]["median_s"] / row["seconds"][f"ours {precision}"]["median_s"]


def memory_ratio(row: dict[str, Any], precision: str) -> float | None:
    """Our peak memory over the peer's in float32."""
    peak = row.get("peak_bytes")
    return peak and peak[f"ours {precision}"] / peak["peer fp32"]


def floor_share(result: dict[str, Any], row: dict[str, Any], precision: str) -> float:
    """The least time that the machine could take for the counted operations, over ours."""
    least = row["operations"] / max(result["floor"][precision].values())
    return least / row["seconds"][f"ours {precision}"]["median_s"]


def markdown(result: dict[str, Any]) -> str:
    """Write the figures as a page."""
    machine, floor = result["machine"], result["floor"]
    clock = "CPU time of the process" if machine["clock"] == "cpu" else "wall time"
    shared = f", shared with other work (load {machine['load_average']})" if machine["shared"] else ""
    rates = "; ".join(
        f"{precision} {found['matrix'] / 1e9:.0f} GFLOP/s for a 2048-cube matrix product, "
        f"{found['convolution'] / 1e9:.0f} for a convolution"
        for precision, found in floor.items()
    )
    lines = [
        f"Measured {machine['date']} at {machine['commit']} on {machine['hardware']} ({machine['instructions']}), "
        f"{machine['threads']} of {machine['cores']} cores{shared}, torch {machine['torch']}: {clock}, medians of "
        f"{machine['rounds']} interleaved runs, least to largest in brackets. Floor: {rates}.",
        "",
        "| what | beside | peer fp32 | ours fp32 | faster | asked | of floor | ours bf16 | faster | asked | of floor |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"].values():
        cells = [row["name"], row["peer"], _time(row["seconds"]["peer fp32"])]
        for precision in ("fp32", "bf16"):
            cells += [
                _time(row["seconds"][f"ours {precision}"]),
                f"**{ratio(row, precision):.1f}x**",
                f"{row['expected'][precision]:g}x",
                f"{floor_share(result, row, precision):.0%}",
            ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", *_memory(result), *_compact(result), *_agreement(result)]
    return "\n".join(lines).rstrip() + "\n"


def _time(taken: dict[str, float]) -> str:
    scaled = [taken[entry] * 1e3 for entry in ("median_s", "least_s", "most_s")]
    return "{:.0f} ms [{:.0f}, {:.0f}]".format(*scaled)


def _memory(result: dict[str, Any]) -> list[str]:
    rows = [row for row in result["rows"].values() if row.get("peak_bytes")]
    if not rows:
        return []
    lines = [
        "| peak memory of | peer | ours fp32 | of the peer's | ours bf16 | of the peer's |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        peak = {side: f"{size / 2**20:.0f} MB" for side, size in row["peak_bytes"].items()}
        asked = row["expected_memory"] or {}
        cells = [row["name"], peak["peer fp32"]]
        for precision in ("fp32", "bf16"):
            limit = f" (asked: {asked[precision]:g}x)" if precision in asked else ""
            cells += [peak[f"ours {precision}"], f"{memory_ratio(row, precision):.2f}x{limit}"]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def _compact(result: dict[str, Any]) -> list[str]:
    if "compact" not in result:
        return []
    found = [f"{method}-s {entry['ratio']:.1f}x" for method, entry in result["compact"].items()]
    return [f"Compact scorers beside their full sizes (480 x 640 px; asked: 8x): {', '.join(found)}.", ""]


def _agreement(result: dict[str, Any]) -> list[str]:
    if "agreement" not in result:
        return []
    found = [f"{method} {entry['srcc']:.5f}" for method, entry in result["agreement"]["methods"].items()]
    return [
        f"SRCC of bf16 scores with fp32 scores over {result['agreement']['images']} spoiled photographs (asked: "
        f"{result['agreement']['expected']}): {', '.join(found)}.",
        "",
    ]


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw how many times faster each row is, with what was asked for as a tick and the floor as a line."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = list(result["rows"].values())
    figure, axes = pyplot.subplots(figsize=(9, 1.1 + 0.9 * len(rows)), layout="constrained")
    for place, row in enumerate(rows):
        for offset, (precision, colour) in zip((-0.2, 0.2), COLOURS.items(), strict=True):
            faster, least = ratio(row, precision), row["expected"][precision]
            reach = faster / floor_share(result, row, precision)
            axes.barh(place + offset, faster, 0.34, color=colour, label=f"ours, {precision}" if not place else None)
            axes.plot([least, least], [place + offset - 0.17, place + offset + 0.17], color="black", lw=2)
            axes.plot([reach], [place + offset], marker="D", ms=5, color=colour, mec="black")
            axes.annotate(f"{faster:.1f}x", (faster, place + offset), (4, 0), textcoords="offset points", va="center")
    axes.axvline(1, color="grey", lw=0.8)
    axes.set_yticks(range(len(rows)), [_wrapped(row) for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("times faster than the peer in fp32")
    axes.spines[["top", "right"]].set_visible(False)
    axes.plot([], [], color="black", lw=2, label="asked for")
    axes.plot([], [], "D", ms=5, color="white", mec="black", label="the machine's floor")
    figure.legend(frameon=False, loc="outside upper right", ncols=4)
    figure.savefig(path)
    pyplot.close(figure)


def _wrapped(row: dict[str, Any]) -> str:
    return f"{row['name'].replace(', ', ',' + chr(10), 1)}\nvs {row['peer']}"
