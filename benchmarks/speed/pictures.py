"""The pictures of the measured figures."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib

from ir_quality_plugin.checkpoints.write import whole

from .growth import GROWTH
from .ratios import ratio, reach

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

COLOURS = {"fp32": "#3b6ea5", "bf16": "#d08a2e"}
LINES = ("#3b6ea5", "#d08a2e", "#4f8a5b")
# The same bytes from the same figures.
STYLE = {"svg.hashsalt": "speed", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}


def draw_bars(result: dict[str, Any], path: Path) -> None:
    """Draw how many times faster each row is, with what was asked for as a tick and the floor as a diamond."""
    rows = list(result["rows"].values())
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(9, 1.1 + 0.9 * len(rows)), layout="constrained")
        for place, row in enumerate(rows):
            for offset, (precision, colour) in zip((-0.2, 0.2), COLOURS.items(), strict=True):
                faster, asked = ratio(row, precision), row["expected"][precision]
                most = reach(result, row, precision)
                axes.barh(place + offset, faster, 0.34, color=colour, label=f"ours, {precision}" if not place else None)
                axes.plot([asked, asked], [place + offset - 0.17, place + offset + 0.17], color="black", lw=2)
                axes.plot([most], [place + offset], marker="D", ms=5, color=colour, mec="black")
                axes.annotate(f"{faster:.1f}x", (0, place + offset), (4, 0), textcoords="offset points", va="center",
                              color="white")  # fmt: skip
        axes.axvline(1, color="grey", lw=0.8, zorder=0)
        axes.set_yticks(range(len(rows)), [_wrapped(row) for row in rows])
        axes.invert_yaxis()
        axes.set_xlabel("times faster than the peer in fp32")
        axes.spines[["top", "right"]].set_visible(False)
        axes.plot([], [], color="black", lw=2, label="asked for")
        axes.plot([], [], "D", ms=5, color="white", mec="black", label="the machine's floor")
        figure.legend(frameon=False, loc="outside upper right", ncols=4)
        _save(figure, path)


def _wrapped(row: dict[str, Any]) -> str:
    return "\n".join(fill(part, 40) for part in (row["name"], f"vs {row['peer']}"))


def draw_growth(found: dict[str, Any], path: Path) -> None:
    """Draw a small plot for each way in which cost grows."""
    with pyplot.rc_context(STYLE):
        figure, places = pyplot.subplots(1, len(found), figsize=(3.2 * len(found), 3.2), layout="constrained")
        for axes, (name, plot) in zip([places] if len(found) == 1 else places, found.items(), strict=True):
            for colour, (line, figures) in zip(LINES, plot["lines"].items(), strict=False):
                axes.plot(plot["at"], figures, marker="o", ms=4, color=colour, label=line)
            _finish(axes, GROWTH[name], plot)
        _save(figure, path)


def _finish(axes: Axes, along: str, plot: dict[str, Any]) -> None:
    seconds = plot["unit"].startswith("seconds")
    axes.set_xscale("log", base=2)
    axes.set_xticks(plot["at"], [str(value) for value in plot["at"]])
    if seconds:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
    else:
        axes.set_ylim(bottom=0)
    axes.minorticks_off()
    axes.set_xlabel(along)
    axes.set_ylabel(plot["unit"])
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)


def _save(figure: Figure, path: Path) -> None:
    with whole(path) as unfinished:
        figure.savefig(unfinished, format="svg", metadata={"Date": None})
    pyplot.close(figure)
