"""The degraded inputs and references of judged images: where they are found, and which rows a comparison takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .images import list_images
from .labels import LabelTable, Row

SHOWN = 3


def with_folder(table: LabelTable, role: str, folder: Path) -> LabelTable:
    """Give every row its degraded input, or its reference, from a folder.

    A file is looked for by the name that the labels give, then by that name's stem, then by the image's own stem. A row
    that the folder has nothing for keeps what the labels name, where that is there; a note lists the others.

    Args:
        table: the set.
        role: "degraded" or "reference".
        folder: where to look.

    Raises:
        UsageError: no such folder, several files of one stem, or nothing in it for any image.
    """
    if not folder.is_dir():
        raise UsageError(f"--{role} {folder}: there is no such folder; expected the folder of the {role} images")
    by_stem: dict[str, list[Path]] = {}
    for path in list_images(folder):
        by_stem.setdefault(path.stem, []).append(path)
    found = [_of(row, getattr(row, role), by_stem, f"--{role} {folder}") for row in table.rows]
    lacking = [row for row, path in zip(table.rows, found, strict=True) if path is None]
    if len(lacking) == len(table.rows):
        wanted = dict.fromkeys(path.name for row in lacking if (path := getattr(row, role)))
        names = f"the names that the labels give ({_first(list(wanted))}) and " if wanted else ""
        raise UsageError(
            f"--{role} {folder} has no {role} image of any of {len(lacking)} images; looked there for {names}the "
            f"images' stems ({_first([row.image.stem for row in lacking])}); it holds {_first(list(by_stem))}"
        )
    given: list[dict[str, Any]] = [
        {role: path or _there(getattr(row, role))} for row, path in zip(table.rows, found, strict=True)
    ]
    rows = tuple(replace(row, **own) for row, own in zip(table.rows, given, strict=True))
    without = [row.image.name for row in rows if getattr(row, role) is None]
    note = f"--{role} has nothing for {len(without)} of {len(rows)} images: {_first(without)}"
    return replace(table, rows=rows, notes=(*table.notes, note) if without else table.notes)


def _of(row: Row, named: Path | None, by_stem: dict[str, list[Path]], where: str) -> Path | None:
    for stem, name in (*([(named.stem, named.name)] if named else []), (row.image.stem, row.image.name)):
        candidates = by_stem.get(stem, [])
        exact = [path for path in candidates if path.name == name] or candidates
        if len(exact) > 1:
            raise UsageError(
                f"{where} has several files of the stem {stem}: {_first([path.name for path in exact])}; "
                "expected one; name it in the labels"
            )
        if exact:
            return exact[0]
    return None


def _there(path: Path | None) -> Path | None:
    return path if path is not None and path.is_file() else None


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _before(row: Row) -> str:
    return " already" if row.line is None else f" in line {row.line} already,"


def without_references(table: LabelTable) -> LabelTable:
    """Keep images apart that are their own reference, which every full-reference metric ranks first without merit."""
    own = {row: None for row in table.rows if row.reference and row.image.resolve() == row.reference.resolve()}
    others = tuple(row for row in table.rows if row not in own)
    note = f"{len(own)} of {len(table.rows)} images are their own reference and are left out"
    return replace(table, rows=others, references=tuple(own), notes=(*table.notes, note)) if own else table


def without_repeats(table: LabelTable) -> LabelTable:
    """Count an image once that several rows list alike; a note says how many rows are left out.

    Raises:
        UsageError: two rows of one image differ in anything.
    """
    kept: dict[Path, Row] = {}
    for row in table.rows:
        first = kept.setdefault(row.image.resolve(), row)
        if replace(row, image=first.image) != first:
            raise UsageError(
                f"{row.where(table.name)}: {row.image.name} is listed{_before(first)} with another score, input or "
                "content; expected one row an image; remove one of them"
            )
    repeats = len(table.rows) - len(kept)
    note = (f"{repeats} of {len(table.rows)} rows repeat an image, word for word, and are counted once",)
    return replace(table, rows=tuple(kept.values()), notes=(*table.notes, *note)) if repeats else table
