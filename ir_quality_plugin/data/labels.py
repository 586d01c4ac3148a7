"""Tables of human scores: one form for all sets, with the direction and the range of the scores stated."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import UsageError
from .images import SUFFIXES

SHOWN = 5


@dataclass(frozen=True)
class Row:
    """One judged image.

    Attributes:
        image: path of the file.
        mos: as the set gives it.
        content: what it shows: images of one content are never parted by a split.
        reference: its clean image, where there is one.
        degraded: the input that it was restored from, where there is one.
        mos_std: spread of the opinions, where it is given.
        distortion: kind of distortion, or the method that restored it, where it is named.
        line: of the label file, where that is known; two rows that differ in it alone are equal.
    """

    image: Path
    mos: float
    content: str
    reference: Path | None = None
    degraded: Path | None = None
    mos_std: float | None = None
    distortion: str | None = None
    line: int | None = field(default=None, compare=False)

    def where(self, name: str) -> str:
        """The label file of this name, with the line, as errors say it."""
        return name if self.line is None else f"{name}, line {self.line}"


@dataclass(frozen=True)
class Triplet:
    """One restored image that nobody has judged, and what it was made of.

    Attributes:
        image: path of the restored image.
        reference: path of its clean image.
        degraded: path of the input that it was restored from, where there is one.
        content: what it shows.
        distortion: the method that restored it, where it is named.
    """

    image: Path
    reference: Path
    degraded: Path | None
    content: str
    distortion: str | None


@dataclass(frozen=True)
class LabelTable:
    """A set of judged images.

    Attributes:
        name: of the set.
        rows: its images.
        mos_range: (least, greatest) that the set's scores nominally have.
        higher_is_better: direction of `mos`.
        source: of the set.
        notes: what is missing or odd, a sentence each.
        missing: rows whose image is not there; `rows` has none of them.
        references: rows whose image is its own reference, likewise, where they are not to be compared.
    """

    name: str
    rows: tuple[Row, ...]
    mos_range: tuple[float, float]
    higher_is_better: bool
    source: str = ""
    notes: tuple[str, ...] = field(default=())
    missing: tuple[Row, ...] = field(default=())
    references: tuple[Row, ...] = field(default=())

    @property
    def listed(self) -> tuple[Row, ...]:
        """Every row, those that are kept apart last."""
        return self.rows + self.missing + self.references

    def names(self) -> dict[Path, str]:
        """What results call each image: its path below the deepest folder that holds all of them."""
        folder = os.path.commonpath([row.image.absolute().parent for row in self.listed])
        return {row.image: os.path.relpath(row.image.absolute(), folder) for row in self.listed}

    def quality(self, row: Row) -> float:
        """The row's score in [0,1] by the nominal range, higher is better; beyond the range where the set's is."""
        lowest, highest = self.mos_range
        share = (row.mos - lowest) / (highest - lowest)
        return share if self.higher_is_better else 1 - share

    def only(self, keep: Callable[[Row], bool]) -> LabelTable:
        """The rows that are to be kept."""
        kept = {part: tuple(filter(keep, getattr(self, part))) for part in ("rows", "missing", "references")}
        return replace(self, **kept)  # type: ignore[arg-type]  # three fields of one type

    def split(self, seed: int, shares: tuple[float, ...] = (0.6, 0.2, 0.2), by: str = "content") -> list[LabelTable]:
        """Part the rows so that no content, or no distortion, stands in two parts.

        Args:
            seed: of the shuffle; the field reports medians over seeds 0 to 9.
            shares: of the groups; the last part takes what is left.
            by: "content" or "distortion" (CKDN's split).

        Returns:
            A table for each share.

        Raises:
            UsageError: shares that do not sum to 1, rows without that attribute, or fewer groups than parts.
        """
        if by not in ("content", "distortion"):
            raise UsageError(f"by={by!r}; expected 'content' or 'distortion'")
        if any(share <= 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
            raise UsageError(f"shares={shares}; expected positive numbers that sum to 1")
        found = {getattr(row, by) for row in self.rows}
        if None in found:
            raise UsageError(f"{self.name} names no {by} of some images; split by content")
        # By a digest, so that neither the table's name nor a further content moves the others about.
        groups = sorted(found, key=lambda group: hashlib.sha256(f"{seed}/{group}".encode()).hexdigest())
        if len(groups) < len(shares):
            raise UsageError(f"{self.name} has {len(groups)} groups by {by}, too few for {len(shares)} parts")
        ends = [max(round(sum(shares[: part + 1]) * len(groups)), part + 1) for part in range(len(shares))]
        ends[-1] = len(groups)
        parts = [set(groups[start:end]) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        return [self.only(lambda row, own=part: getattr(row, by) in own) for part in parts]  # type: ignore[misc]


def checked(
    name: str,
    rows: Iterable[Row],
    mos_range: tuple[float, float],
    higher_is_better: bool,
    source: str,
    expected: int | None,
    folders: Iterable[Path] = (),
) -> LabelTable:
    """Make a table, and say once what is missing, what is listed twice, and what nothing lists.

    Args:
        name: of the set.
        rows: as its label file lists them.
        mos_range: nominal range of the scores.
        higher_is_better: their direction.
        source: of the set.
        expected: published number of images; None if it is not known.
        folders: where the set's images lie; others in there are noted.

    Raises:
        UsageError: no image of the list is there, one is listed twice with different scores, or the list is empty.
    """
    listed = list(rows)
    if not listed:
        raise UsageError(f"{name}: the label file lists no image; expected the set as it unpacks")
    missing = [row.image for row in listed if not row.image.is_file()]
    if len(missing) == len(listed):
        raise UsageError(f"{name}: none of the {len(listed)} listed images is there, such as {missing[0]}; unpack them")
    scores: dict[Path, float] = {}
    for row in listed:
        if scores.setdefault(row.image, row.mos) != row.mos:
            raise UsageError(
                f"{row.where(name)}: {row.image.name} is listed with the scores {scores[row.image]} and {row.mos}; "
                "expected one row an image; remove one of them"
            )
    notes = [
        f"{len(paths)} {what}: {_first(paths)}"
        for what, paths in (
            (f"of {len(listed)} listed images are missing", missing),
            ("references are missing", _absent(row.reference for row in listed)),
            ("degraded inputs are missing", _absent(row.degraded for row in listed)),
            ("images are in no list", _unlisted(listed, folders)),
        )
        if paths
    ]
    if expected is not None and len(listed) != expected:
        notes.append(f"the label file lists {len(listed)} images; the published set has {expected}")
    gone = set(missing)
    present, lost = (tuple(row for row in listed if (row.image in gone) == lacks) for lacks in (False, True))
    return LabelTable(name, present, mos_range, higher_is_better, source, tuple(notes), lost)


def _absent(paths: Iterable[Path | None]) -> list[Path]:
    return sorted({path for path in paths if path is not None and not path.is_file()})


def _unlisted(listed: list[Row], folders: Iterable[Path]) -> list[Path]:
    """Images of the set's folders that no row names."""
    named = {path for row in listed for path in (row.image, row.reference, row.degraded)}
    found = (path for folder in folders if folder.is_dir() for path in folder.iterdir())
    return sorted(path for path in found if path.suffix.lower() in SUFFIXES and path not in named)


def _first(paths: list[Path]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(path.name for path in paths[:SHOWN]) + more
