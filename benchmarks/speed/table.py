"""The measured figures as tables, and how near they are to the machine's floor."""

from __future__ import annotations

from typing import Any

from .precision import PRECISIONS
from .ratios import faster, floor_share, memory_ratio
from .shortfalls import WHY, shortfalls


def markdown(result: dict[str, Any]) -> str:
    """Write the figures as a page."""
    sections = {
        "rows": _rows, "memory": _memory, "compact": _compact, "agreement": _agreement, "evaluation": _evaluation,
        "large": _large, "steps": _steps, "growth": _growth,
    }  # fmt: skip
    lines = ["# Speed and memory", "", _about(result), ""]
    for part, section in sections.items():
        if part not in result:
            continue
        short = shortfalls(part, result)
        explained = [f"Short of what was asked (why: {WHY[part]}):", "", *short, ""] if short else []
        lines += [*section(result), "", *explained]
    return "\n".join(lines).rstrip() + "\n"


def _about(result: dict[str, Any]) -> str:
    machine = result["machine"]
    clock = "the GPU's clock" if machine["device"] == "cuda" else "wall time"
    clock = "CPU time of the process" if machine["clock"] == "cpu" else clock
    shared = f", shared with other work (load {machine['load_average']})" if machine["shared"] else ""
    about = (
        f"`python -m benchmarks.speed`, {machine['date']} at {machine['commit']}, {machine['hardware']} "
        f"({machine['instructions']}), {machine['threads']} of {machine['cores']} cores{shared}, torch "
        f"{machine['torch']}: {clock}, medians of {machine['rounds']} interleaved runs, least to largest in brackets."
        f"{_conduct(result)}"
    )
    if "floor" not in result:
        return about
    rates = result["floor"]["rates"]
    found = "; ".join(
        f"{precision} {rates[precision]['matrix'] / 1e9:.0f} GFLOP/s for a 2048-cube matrix product, "
        f"{rates[precision]['convolution'] / 1e9:.0f} for a convolution"
        for precision in PRECISIONS
    )
    copied = f"; {rates['memory']['copy'] / 1e9:.0f} GB/s for a copy" if "memory" in rates else ""
    return f"{about} Floor: {found}{copied}."


def _conduct(result: dict[str, Any]) -> str:
    if "conduct" not in result:
        return ""
    parts = ", ".join(
        f"{part} {spent['seconds']:.0f} s at a load of at most {spent['load_average']}"
        for part, spent in result["conduct"].items()
    )
    return f" The run took {duration(result)}: {parts}."


def duration(result: dict[str, Any]) -> str:
    """How long all parts of a run took together, on the clock."""
    return f"{sum(spent['seconds'] for spent in result['conduct'].values()):.0f} s"


def _rows(result: dict[str, Any]) -> list[str]:
    lines = [
        "| what | beside | peer fp32 | ours fp32 | faster | asked | of floor | ours bf16 | faster | asked | of floor |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"].values():
        cells = [row["name"], row["peer"], _time(row["seconds"]["peer fp32"])]
        for precision in PRECISIONS:
            asked, share = f"{row['expected'][precision]:g}x", f"{floor_share(result, row, precision):.0%}"
            cells += [_time(row["seconds"][f"ours {precision}"]), faster(row, precision, bold=True), asked, share]
        lines.append(_line(cells))
    return [*lines, "", _differences(result), *_errors(result)]


def _differences(result: dict[str, Any]) -> str:
    """How far both sides are from each other: of rows that do not compute the same, no time says anything."""
    found = []
    for row in result["rows"].values():
        largest = f" (values up to {row['largest_value_fp32']:.2g})" if "largest_value_fp32" in row else ""
        found.append(f"{row['name']}: {row['largest_difference_fp32']:.1e}{largest}")
    what = "Scores, and the gradient at the pixels for the loss, differ from the peer's in fp32"
    return f"{what} by at most (asked: 1e-5): {'; '.join(found)}."


def _errors(result: dict[str, Any]) -> list[str]:
    """What a gradient's differences are of its values, which are so small that no difference of them is large."""
    rows = [row for row in result["rows"].values() if row.get("gradient")]
    if not rows:
        return []
    lines = [
        "",
        "| gradient beside the peer's | precision | largest difference, of the largest value | relative l2 | cosine |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        for precision in PRECISIONS:
            found = row["error"][precision]
            cells = [f"{found['of_largest']:.1e}", f"{found['relative_l2']:.1e}", f"{found['cosine']:.6f}"]
            lines.append(_line([row["name"], precision, *cells]))
    return lines


def _time(taken: dict[str, float]) -> str:
    scaled = [taken[entry] * 1e3 for entry in ("median_s", "least_s", "most_s")]
    digits = 0 if scaled[0] >= 10 else 2
    median, least, most = (f"{value:.{digits}f}" for value in scaled)
    return f"{median} ms [{least}, {most}]"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _memory(result: dict[str, Any]) -> list[str]:
    lines = [
        "| peak memory of | calls | peer fp32 | ours fp32 | of the peer's | ours bf16 | of the peer's |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in result.get("rows", {}).items():
        for call in ("first", "later"):
            peak = {
                side: f"{result['memory'][f'{name} {side}'][call] / 2**20:.0f} MB"
                for side in ("peer fp32", "ours fp32", "ours bf16")
            }
            asked = row["expected_memory"] or {}
            cells = [row["name"], call, peak["peer fp32"]]
            for precision in PRECISIONS:
                limit = f" (asked: {asked[precision]:g}x)" if precision in asked else ""
                cells += [peak[f"ours {precision}"], f"{memory_ratio(result, name, precision, call):.2f}x{limit}"]
            lines.append(_line(cells))
    note = (
        "Above what the process held with the networks built. First: the first call, with what it leaves behind, which "
        "for ours is the weights laid out once more and the references that are remembered. Later: the call after it."
    )
    return [*lines, "", note]


def _compact(result: dict[str, Any]) -> list[str]:
    found = [f"{method}-s {entry['ratio']:.1f}x" for method, entry in result["compact"].items()]
    return [f"Compact scorers beside their full sizes (480 x 640 px; asked: 8x): {', '.join(found)}."]


def _agreement(result: dict[str, Any]) -> list[str]:
    entries = result["agreement"]
    found = [f"{name} {entry['srcc']:.5f}" for name, entry in entries.items()]
    first = next(iter(entries.values()))
    said = (
        f"SRCC of bf16 scores with fp32 scores over {spoiled(first)} of {first['side_px']} px "
        f"(asked: {first['expected']}): {', '.join(found)}."
    )
    drawn = [name for name, entry in entries.items() if entry.get("weights") == "drawn by a rule"]
    return [f"{said} The weights of {', '.join(drawn)} are drawn by a rule, not trained." if drawn else said]


def spoiled(entry: dict[str, Any]) -> str:
    """What agreement was measured on."""
    if "squares" not in entry:
        return f"{entry['images']} spoiled photographs"
    return f"{entry['images']} distortions of {entry['squares']} squares of {entry['photographs']} photographs"


def _evaluation(result: dict[str, Any]) -> list[str]:
    lines = [
        "| files of two methods, from disk | precision | files | raw forward, a file | `irq evaluate`, a file | of the "
        "forward's speed | asked |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, entry in result["evaluation"].items():
        scorer, precision = name.split()
        height, width = entry["size_px"]
        about = f"{scorer}, PNG of {height} x {width} px, {entry['bytes_a_file'] / 1024:.0f} KB"
        about += ", one round" if entry.get("rounds") == 1 else ""
        times = [
            _time({quantile: seconds / entry["files"] for quantile, seconds in entry["seconds"][way].items()})
            for way in ("raw forward", "irq evaluate")
        ]
        asked = f"{entry['expected']:g}x"
        lines.append(_line([about, precision, str(entry["files"]), *times, f"**{entry['ratio']:.2f}x**", asked]))
    note = (
        "One scorer, the same files in the same order, in turns; full sizes have random weights. Raw: images that "
        "are in memory. `irq evaluate`: they are read, scored, made thumbnails of and logged; what is done once (load "
        "the scorer, write table and page) is not counted. Both meet references that they have seen. bf16 is autocast "
        "around both."
    )
    return [*lines, "", note]


def _large(result: dict[str, Any]) -> list[str]:
    lines = ["| one image of 7680 x 4320 px | peak memory | above a small image's | seconds |", "|---|---|---|---|"]
    for name, found in result["large"].items():
        command, scorer = name.split()
        small = result["large"].get(f"{command} small")
        if found is small:
            continue
        sizes = [found["peak_bytes"], *([found["peak_bytes"] - small["peak_bytes"]] if small else [])]
        gigabytes = [f"{size / 2**30:.2f} GB" for size in sizes] + [""] * (small is None)
        lines.append(_line([f"`irq {command}`, {scorer}", *gigabytes, f"{found['seconds']:.0f}"]))
    return [*lines, "", "The image alone is 0.37 GB as float32; a degraded input brought to its size is as much again."]


def _steps(result: dict[str, Any]) -> list[str]:
    first = next(iter(result["steps"].values()))
    lines = [
        f"Share of a training step with L1 and Adam that a term takes, {first['batch']} crops of {first['crop_px']} px "
        f"(asked on a GPU: {first['expected']['full']:.0%} for full sizes, {first['expected']['compact']:.0%} for "
        "compact ones):",
        "",
        _line(["network", "precision", "step without", *first["share"]]),
        "|---" * (3 + len(first["share"])) + "|",
    ]
    for network, entry in result["steps"].items():
        for precision in PRECISIONS:
            shares = [f"{entry['share'][term][precision]:.0%}" for term in entry["share"]]
            lines.append(_line([network, precision, _time(entry["seconds"][f"step {precision}"]), *shares]))
        shares = [f"{found['fp32']:.0%}" for found in entry["share_recommended"].values()]
        step = _time(entry["seconds"]["step fp32"])
        lines.append(_line([network, "fp32, with the README's options", step, *shares]))
    note = (
        "New crops at every step, so that no reference is one seen before. The README's options are `balance=0.1, "
        'ceiling="reference"`: the clean crop is scored too.'
    )
    return [*lines, "", note]


def _growth(result: dict[str, Any]) -> list[str]:
    return ["How cost grows with the batch, the side, references and processes:", "", "![growth](speed_growth.svg)"]
