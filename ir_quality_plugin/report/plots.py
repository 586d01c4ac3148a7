"""Plots as inline SVG that take their colours from the page, so that they follow light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that stand for the page's variables while matplotlib draws.
COLOURS = {"ink": "#010203", "quiet": "#020304", "line": "#030405", "accent": "#0b6e99", "second": "#c2571a"}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # names may hold dollars
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": COLOURS["ink"],
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["quiet"],
    "xtick.color": COLOURS["line"],
    "xtick.labelcolor": COLOURS["quiet"],
    "ytick.color": COLOURS["line"],
    "ytick.labelcolor": COLOURS["quiet"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
}
# More points than a page should hold one by one are drawn as a picture.
MOST_POINTS = 1500


def interval_plot(
    names: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    label: str,
    points: Sequence[Sequence[float]] = (),
) -> Markup:
    """A dot with its interval for each name, from top to bottom.

    Args:
        names: of the lines.
        values: at the dots; NaN draws none.
        intervals: (low, high) of each.
        label: of the axis.
        points: single values, drawn small behind each line; the axis then begins at 0.
    """
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure(4.2, 0.7 + 0.27 * len(names))
        places = np.arange(len(names))[::-1]
        for place, own in zip(places, points or [()] * len(names), strict=True):
            axes.scatter(own, [place] * len(own), s=14, color=COLOURS["second"], alpha=0.45, linewidths=0)
        for place, value, (low, high) in zip(places, values, intervals, strict=True):
            axes.plot([low, high], [place, place], color=COLOURS["accent"], linewidth=2.4, solid_capstyle="round")
            axes.plot([value], [place], "o", color=COLOURS["accent"], markersize=6)
        if points:
            axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
        axes.set_yticks(places, names, color=COLOURS["ink"])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=COLOURS["line"], linewidth=0.6)
        axes.set_axisbelow(True)
        # Of the figure: beside long names the axis is too short for it.
        figure.supxlabel(label, fontsize=9, color=COLOURS["quiet"])
        return inline(figure, label)


def scatter_plot(
    scores: np.ndarray, mos: np.ndarray, fitted: np.ndarray, title: str, labels: tuple[str, str], falls: bool = False
) -> Markup:
    """Opinions over scores, with the fitted curve.

    Args:
        scores: (N,), of the horizontal axis.
        mos: (N,).
        fitted: (N,) values of the curve at the scores.
        title: over the plot.
        labels: of the two axes.
        falls: turn the horizontal axis round, for scores of which lower is better.
    """
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure(3.3, 2.7)
        many = len(scores) > MOST_POINTS
        size = float(np.clip(1600 / len(scores), 3, 14))
        axes.scatter(scores, mos, s=size, color=COLOURS["accent"], alpha=0.5, linewidths=0, rasterized=many)
        order = np.argsort(scores)
        # A curve needs no more points than the plot has pixels.
        order = order[np.unique(np.linspace(0, len(order) - 1, 300).astype(int))]
        axes.plot(scores[order], fitted[order], color=COLOURS["second"], linewidth=1.6)
        if falls:
            axes.invert_xaxis()
        axes.set_title(title, loc="left", fontsize=9.5, color=COLOURS["ink"])
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        axes.margins(0.03)
        return inline(figure, f"{title}: {labels[1]} over {labels[0]}")


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=120)
    return figure, figure.add_subplot()


def inline(figure: Figure, title: str) -> Markup:
    """The SVG of a figure for an HTML page: its colours are the page's variables, its width the column's.

    Args:
        figure: drawn in `COLOURS`.
        title: what a screen reader says.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": title}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg\b[^>]*?) width="[^"]*pt"', r"\1", text)
    text = re.sub(r'(<svg\b[^>]*?) height="[^"]*pt"', r"\1", text)
    for name, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    text = re.sub(r"font: ([0-9.]+px) [^;\"]*", r"font: \1 system-ui, sans-serif", text)
    label = Markup.escape(title)
    return Markup(text.replace("<svg", f'<svg role="img" aria-label="{label}" class="plot"', 1))
