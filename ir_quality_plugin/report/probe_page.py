"""The page of `irq probe`: how far each metric was driven up, and the pictures that did it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .page import picture, write_page
from .plots import interval_plot
from .text import NONE, text_of


def write_probe_page(
    path: Path,
    document: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    subtitle: str,
    pictures: Path | None = None,
) -> Path:
    """Write the page.

    Args:
        path: of the page.
        document: summary of the probe.
        rows: an image and metric each, with the files `original` and `picture`, where it did not fail.
        subtitle: when and with what it was made.
        pictures: folder that these files are relative to; by default the page's.

    Raises:
        CheckpointError: the folder cannot be written to.
    """
    metrics = document["metrics"]
    order = sorted(metrics, key=lambda name: (sees_reference(metrics[name]), metrics[name]["gain"]))
    gains = {name: [row["gain"] for row in rows if row["metric"] == name and not row["reason"]] for name in order}
    return write_page(
        path,
        "probe.html.j2",
        title="How easily the metrics are gamed",
        subtitle=subtitle,
        document=document,
        amplified=round(127 / document["attack"]["epsilon_255"]),
        overview=interval_plot(
            [f"{_arrow(name, metrics[name])}{' *' * sees_reference(metrics[name])}" for name in order],
            [100 * metrics[name]["gain"] for name in order],
            [_ends(metrics[name]) for name in order],
            "mean gain in % of the metric’s natural range",
            [[100 * gain for gain in gains[name]] for name in order],
        ),
        groups=[
            [_row(name, metrics[name]) for name in order if sees_reference(metrics[name]) == sees]
            for sees in (False, True)
        ],
        order=order,
        judged=[_judged(name, order, metrics) for name in order],
        pictures=[{"name": name, "rows": _pictures(name, rows, document, pictures or path.parent)} for name in order],
    )


def sees_reference(metric: Mapping[str, Any]) -> bool:
    """Whether a metric sees the clean image, so that it may be driven up honestly, by moving towards it."""
    return bool(metric["needs"] == "reference")


def _arrow(name: str, metric: Mapping[str, Any]) -> str:
    return f"{name} {'↑' if metric['higher_is_better'] else '↓'}"


def _ends(metric: Mapping[str, Any]) -> tuple[float, float]:
    low, high = metric["gain_interval"] or (metric["gain"], metric["gain"])
    return 100 * low, 100 * high


def _percent(value: float | None, sign: str = "") -> str:
    """A share of 1 in per cent, the small ones with a digit more."""
    if value is None:
        return NONE
    return f"{text_of(100 * value, f'{sign}.1f' if abs(value) < 0.0995 else f'{sign}.0f')}\N{NO-BREAK SPACE}%"


def _row(name: str, metric: Mapping[str, Any]) -> dict[str, Any]:
    interval, before = metric["gain_interval"], metric["beyond_reference_before"]
    return {
        "name": _arrow(name, metric),
        "gain": _percent(metric["gain"]),
        "interval": f"{_percent(interval[0])} to {_percent(interval[1])}" if interval else "",
        "median": _percent(metric["gain_median"]),
        "greatest": _percent(metric["gain_greatest"]),
        "beyond": NONE if before is None else f"{_percent(before)} → {_percent(metric['beyond_reference'])}",
        "first_order": _percent(metric["first_order_gain"]),
        "gradient_l1": text_of(metric["gradient_l1"], ".3g"),
        "range": text_of(metric["natural_range"], ".3g"),
        "between": _percent(metric["between_starts"]),
        "images": metric["images"],
    }


def _judged(name: str, order: Sequence[str], metrics: Mapping[str, Any]) -> dict[str, Any]:
    said = metrics[name]["judged_by_others"]
    cells = []
    for other in order:
        change = metrics[name]["gain"] if other == name else said.get(other)
        kind = "" if change is None or other == name or abs(change) < 0.005 else ("higher" if change > 0 else "lower")
        cells.append({"text": NONE if change is None else _percent(change, "+"), "kind": kind, "own": other == name})
    return {"name": name, "cells": cells}


def _pictures(
    name: str, rows: Sequence[Mapping[str, Any]], document: Mapping[str, Any], folder: Path
) -> list[dict[str, Any]]:
    """The image with the greatest gain and the one with the median: original, gamed, and what changed."""
    own = sorted((row for row in rows if row["metric"] == name and not row["reason"]), key=lambda row: row["gain"])
    chosen = {"median gain": own[(len(own) - 1) // 2], "greatest gain": own[-1]} if len(own) > 1 else {"gain": own[0]}
    shown = []
    for kind, row in chosen.items():
        before, after = (np.asarray(Image.open(folder / row[key]).convert("RGB")) for key in ("original", "picture"))
        change = (after.astype(int) - before) * round(127 / document["attack"]["epsilon_255"]) + 128
        shown.append(
            {
                "kind": f"{kind} {_percent(row['gain'])}",
                "image": row["image"],
                "before": {"source": picture(before), "score": text_of(row["start"], ".4g")},
                "after": {"source": picture(after), "score": text_of(row["gamed"], ".4g")},
                "change": picture(change.clip(0, 255).astype(np.uint8)),
            }
        )
    return shown
