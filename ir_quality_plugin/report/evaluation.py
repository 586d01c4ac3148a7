"""The page of `irq evaluate`: ranking, plots, agreement of metrics, and the images to look at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..data.folders import DEGRADED, REFERENCE, Pairing
from ..data.score_table import ScoreTable
from ..data.thumbnails import LISTED_IMAGES
from .cases import FLOOR, Case, choose_cases, shoot
from .page import write_page
from .text import NONE, text_of

TEMPLATE = "evaluation.html.j2"
# More rows than a reader scrolls through; all of them are in scores.csv.
LISTED_FAILURES = 200
MOST_COLUMNS = 6


def write_report(
    path: Path,
    summary: Mapping[str, Any],
    table: ScoreTable,
    pairing: Pairing,
    thumbnails: Mapping[str, str],
    began: str,
) -> Path:
    """Write the page: one file, nothing of it is loaded from elsewhere.

    Args:
        path: of the page.
        summary: of `evaluation.summary.summarise`.
        table: the scores.
        pairing: where the pictures are.
        thumbnails: by image, as sources of an <img>.
        began: the day on which the run was begun; no other day may stand on the page, or a resumed run would differ.

    Raises:
        CheckpointError: the file cannot be written.
    """
    metrics = {name: MetricView(name, about) for name, about in summary["metrics"].items()}
    methods = best_first(summary)
    differing, worst = choose_cases(table, [view.higher for view in metrics.values()])
    single = len(table.methods) == 1
    behind = {case.about for case in worst}
    content = {
        "title": title_of(table),
        "began": began,
        "summary": summary,
        "methods": methods,
        "metrics": metrics,
        "single": single,
        "verdicts": [] if single else [view.verdict() for view in metrics.values()],
        "matrices": matrices_of(summary) if len(metrics) > 1 else [],
        "differing": [case_view(case, table, metrics, pairing) for case in differing],
        "worst": [
            (method, [case_view(case, table, metrics, pairing) for case in worst if case.about == method])
            for method in methods
            if method in behind
        ],
        "nowhere": [] if single else [method for method in methods if _scored(method, table) and method not in behind],
        "floor": FLOOR,
        "failures": failures_of(summary)[:LISTED_FAILURES],
        "unpaired": summary["unpaired"][:LISTED_FAILURES],
        "listed": min(len(table.images), LISTED_IMAGES),
        "data": data_of(table, methods, metrics, thumbnails),
    }
    return write_page(path, TEMPLATE, **content)


def _scored(method: str, table: ScoreTable) -> bool:
    return bool(np.isfinite(table.scores[:, :, table.methods.index(method)]).any())


class MetricView:
    """One metric as the page shows it.

    Args:
        name: of the metric.
        about: its entry of the summary.
    """

    def __init__(self, name: str, about: Mapping[str, Any]) -> None:
        self.name, self.about = name, about
        self.higher = about["direction"].startswith("higher")
        self.arrow = "↑" if self.higher else "↓"
        self.scored = {method: entry for method, entry in about["methods"].items() if entry["count"]}
        spread = max((entry["std"] for entry in self.scored.values()), default=0.0)
        self.digits = min(max(2 - math.floor(math.log10(spread)), 0), 6) if spread else 4
        self.pairs = {(pair["first"], pair["second"]): pair for pair in about["pairs"]}
        ends = [end for entry in self.scored.values() for end in self._ends(entry)]
        low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
        margin = (high - low) * 0.03 or 0.5
        self.low = max(low - margin, 0.0) if low >= 0 else low - margin  # many metrics end at 0
        self.high = high + margin

    @staticmethod
    def _ends(entry: Mapping[str, Any]) -> list[float]:
        known = [end for end in entry["interval"] if end is not None]
        return [*known, entry["mean"], entry["quantiles"]["5"], entry["quantiles"]["95"]]

    def text(self, value: float | None) -> str:
        """A score with the metric's digits."""
        return NONE if value is None or not math.isfinite(value) else text_of(value, f".{self.digits}f")

    def change(self, value: float | None) -> str:
        """A difference with its sign, and one more digit."""
        return text_of(value, f"+.{self.digits + 1}f")

    def interval(self, entry: Mapping[str, Any]) -> str:
        """The interval of a method's mean; empty where there are too few images for one."""
        return "" if None in entry["interval"] else " to ".join(map(self.text, entry["interval"]))

    def interval_of_change(self, duel: Mapping[str, Any]) -> str:
        """The interval of a paired difference; empty where there are too few images for one."""
        return "" if None in duel["interval"] else " to ".join(map(self.change, duel["interval"]))

    def at(self, value: float) -> str:
        """Where a value lies on the metric's axis, as a percentage of its length."""
        return f"{100 * (value - self.low) / (self.high - self.low):.2f}%"

    def between(self, low: float, high: float) -> str:
        """How long a range is on the metric's axis."""
        return f"{100 * (high - low) / (self.high - self.low):.2f}%"

    def ordered(self) -> list[str]:
        """Scored methods, best first."""
        sign, ranks = -1 if self.higher else 1, {name: entry["rank"] or math.inf for name, entry in self.scored.items()}
        return sorted(self.scored, key=lambda name: (ranks[name], sign * self.scored[name]["mean"]))

    def duel(self, row: str, column: str) -> dict[str, Any] | None:
        """The advantage of one method over another, whichever way round the summary has it; None without images."""
        pair = self.pairs.get((row, column)) or self._turned(self.pairs.get((column, row)))
        if pair is None or not pair["count"]:
            return None
        return {**pair, "wins": pair["better"] == row, "loses": pair["better"] == column}

    @staticmethod
    def _turned(pair: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """A pair as its second method sees it."""
        if pair is None or not pair["count"]:
            return None
        return {
            **pair,
            "difference": -pair["difference"],
            "interval": [None if end is None else -end for end in reversed(pair["interval"])],
            "won": pair["lost"],
            "share_won": pair["lost"] / pair["count"],
        }

    def verdict(self) -> dict[str, Any]:
        """The result in words: who is first, and how surely."""
        order = [method for method in self.ordered() if self.scored[method]["rank"]]
        first = [method for method in order if self.scored[method]["rank"] == 1]
        verdict: dict[str, Any] = {"metric": self, "first": first, "next": None, "duel": None}
        if len(order) > 1:
            verdict["next"] = next((method for method in order if method not in first), None)
            rival = verdict["next"] if len(first) == 1 else order[1]
            verdict["duel"] = self.duel(order[0], rival) if rival else None
        return verdict


def title_of(table: ScoreTable) -> str:
    """What the page is called."""
    methods = f"{len(table.methods)} methods" if len(table.methods) > 1 else table.methods[0]
    return f"{methods} on {len(table.images)} image{'s' if len(table.images) != 1 else ''}"


def best_first(summary: Mapping[str, Any]) -> list[str]:
    """Methods by their mean rank over metrics; by the first metric's mean where that is equal."""
    ranks: dict[str, list[int]] = {method: [] for method in summary["methods"]}
    for about in summary["metrics"].values():
        for method, entry in about["methods"].items():
            if entry["count"] and entry["rank"]:
                ranks[method].append(entry["rank"])
    first = next(iter(summary["metrics"].values()))
    sign = -1 if first["direction"].startswith("higher") else 1

    def place(method: str) -> tuple[float, float]:
        entry = first["methods"][method]
        mean_rank = float(np.mean(ranks[method])) if ranks[method] else math.inf
        return mean_rank, sign * entry["mean"] if entry["count"] else math.inf

    return sorted(ranks, key=place)


def matrices_of(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The two tables of how metrics agree."""
    found = summary["agreement"]
    kinds = (
        ("Within an image", "order_within_images", "do two metrics prefer the same of two methods on one image?"),
        (
            "Over everything",
            "spearman_over_all",
            "Spearman over all images and methods; easy and hard images count too",
        ),
    )
    return [
        {"title": title, "about": about, "names": found["metrics"], "rows": found[key]}
        for title, key, about in kinds
        if any(value is not None for row in found[key] for value in row)
    ]


def case_view(case: Case, table: ScoreTable, metrics: Mapping[str, MetricView], pairing: Pairing) -> dict[str, Any]:
    """One case with its pictures and their scores."""
    found = shoot(case, pairing)
    row = table.images.index(case.image)
    shown = []
    for shot in found.shots:
        scores = []
        if shot.name in case.methods:
            values = table.scores[:, row, table.methods.index(shot.name)]
            scores = [
                {"metric": view.name, "arrow": view.arrow, "text": view.text(float(value))}
                for view, value in zip(metrics.values(), values, strict=True)
            ]
        label = {DEGRADED: "degraded input", REFERENCE: "ground truth"}.get(shot.name, shot.name)
        shown.append({"shot": shot, "label": label, "scores": scores, "is_method": shot.name in case.methods})
    _mark_best(shown, list(metrics.values()), table, row)
    # Two even rows of many pictures rather than a full one and a rest.
    columns = len(shown) if len(shown) <= MOST_COLUMNS else -(-len(shown) // 2)
    return {"case": case, "shots": shown, "found": found, "columns": min(max(columns, 4), MOST_COLUMNS)}


def _mark_best(shown: list[dict[str, Any]], views: list[MetricView], table: ScoreTable, row: int) -> None:
    """Mark each metric's best among the methods that are shown."""
    for index, view in enumerate(views):
        of_method = {
            entry["shot"].name: table.scores[index, row, table.methods.index(entry["shot"].name)]
            for entry in shown
            if entry["is_method"]
        }
        known = {name: value for name, value in of_method.items() if np.isfinite(value)}
        best = (max if view.higher else min)(known.values()) if len(known) > 1 else None
        for entry in shown:
            if entry["is_method"]:
                entry["scores"][index]["best"] = best is not None and known.get(entry["shot"].name) == best


def failures_of(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One line a file and reason, with the metrics that it concerns."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for failure in summary["failures"]:
        grouped.setdefault((failure["image"], failure["method"], failure["reason"]), []).append(failure["metric"])
    every = len(summary["metrics"])
    return [
        {
            "image": image,
            "method": method,
            "reason": reason,
            "metrics": names if len(names) < every else ["all metrics"],
        }
        for (image, method, reason), names in grouped.items()
    ]


def data_of(
    table: ScoreTable, methods: list[str], metrics: Mapping[str, MetricView], thumbnails: Mapping[str, str]
) -> dict[str, Any]:
    """What the list of all images is drawn from, in the page's script."""
    columns = [table.methods.index(method) for method in methods]
    images = table.images[:LISTED_IMAGES]
    reasons = {image: reason for (_, image, _), reason in table.reasons.items() if image not in thumbnails}
    return {
        "methods": methods,
        "metrics": [{"name": view.name, "higher": view.higher, "digits": view.digits} for view in metrics.values()],
        "images": list(images),
        "thumbnails": [thumbnails.get(image, "") for image in images],
        "reasons": [reasons.get(image, "") for image in images],
        "scores": [
            [[_short(value, view.digits) for value in row] for row in scores[: len(images), columns]]
            for view, scores in zip(metrics.values(), table.scores, strict=True)
        ],
    }


def _short(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None
