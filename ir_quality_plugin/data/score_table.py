"""Scores of many images by several methods and metrics: one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

COLUMNS = ("image", "method", "metric", "score", "reason")
# More would be noise of the last bits of single precision, which depend on the number of threads.
DIGITS = 6


# What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def formula_note(names: Iterable[str]) -> list[str]:
    """One sentence where names would be formulas in a spreadsheet, else none.

    Tables keep names as the files have them, since other programs find the files by them.
    """
    found = sorted({name for name in names if name.startswith(FORMULA)})
    if not found:
        return []
    count = f"{len(found)} name begins" if len(found) == 1 else f"{len(found)} names begin"
    return [f"{count} like a formula, such as {found[0]!r}: a spreadsheet should import scores.csv as text."]


def rounded(score: float) -> float:
    """The score as tables write it: everything that is said of scores can then be computed from the table again."""
    return float(f"{score:.{DIGITS}g}")


@dataclass(frozen=True)
class ScoreTable:
    """Scores by metric, image and method.

    Attributes:
        images: names, sorted.
        methods: names, in the order of the report.
        metrics: names, in the order of the report.
        present: (N,M), whether the method has a file of the image.
        scores: (K,N,M) for K metrics, N images, M methods, each in its metric's own direction; NaN where there is none.
        reasons: why a present file that should have a score has none, by (metric, image, method).
        missing: what a present file has no score for the lack of, likewise; no failure.
    """

    images: tuple[str, ...]
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    present: np.ndarray
    scores: np.ndarray
    reasons: dict[tuple[str, str, str], str] = field(default_factory=dict)
    missing: dict[tuple[str, str, str], str] = field(default_factory=dict)

    @classmethod
    def empty(cls, images: tuple[str, ...], methods: tuple[str, ...], metrics: tuple[str, ...]) -> ScoreTable:
        """A table without scores."""
        present = np.zeros((len(images), len(methods)), dtype=bool)
        return cls(images, methods, metrics, present, np.full((len(metrics), *present.shape), np.nan))

    def failed_files(self) -> list[tuple[str, str]]:
        """(image, method) of the files that at least one metric has no score of, in order."""
        failed = {(image, method) for _, image, method in self.reasons}
        return sorted(failed, key=lambda place: (place[0], self.methods.index(place[1])))

    def rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        """The cells of `COLUMNS` for every score, or the reason why there is none, by image, method and metric."""
        for row, image in enumerate(self.images):
            for column in np.flatnonzero(self.present[row]):
                method = self.methods[column]
                for metric, score in zip(self.metrics, self.scores[:, row, column], strict=True):
                    text = "" if np.isnan(score) else f"{score:.{DIGITS}g}"
                    place = metric, image, method
                    yield image, method, metric, text, self.reasons.get(place) or self.missing.get(place, "")
