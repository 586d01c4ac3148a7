"""Labelled restorations side by side, best first: labels are to be looked at before they are trained on."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from ..data.images import UNREADABLE, opened
from ..data.labels import LabelTable, Row
from ..files import whole
from .contact_sheet import GAP_PX, INK, LABEL_PX, PAPER, QUIET

TILE_PX = 192
MOST_COLUMNS = 10
# What the file of a sheet says of itself, by which it may be written over.
SOFTWARE = "irq label"


def label_sheet(table: LabelTable, rows: int = 12) -> Image.Image:
    """Draw a row an input: the clean picture, the input, and its restorations, best first, with their labels.

    Args:
        table: of images with references, as `irq label` writes it.
        rows: inputs that are shown, taken evenly over the table.

    Returns:
        An RGB picture; larger images are reduced to fit.
    """
    groups = [list(group) for _, group in groupby(sorted(table.rows, key=_source), key=_source)]
    rows = min(rows, len(groups))
    shown = [groups[round(index * (len(groups) - 1) / max(rows - 1, 1))] for index in range(rows)]
    columns = min(max(map(len, shown)), MOST_COLUMNS) + 2
    step, row_px = TILE_PX + GAP_PX, TILE_PX + LABEL_PX
    sheet = Image.new("RGB", (columns * step + GAP_PX, len(shown) * row_px + GAP_PX), PAPER)
    pen, font, small = ImageDraw.Draw(sheet), ImageFont.load_default(15), ImageFont.load_default(12)
    for index, group in enumerate(shown):
        best_first = sorted(group, key=lambda row: row.mos, reverse=table.higher_is_better)
        tiles = [(group[0].reference, "clean", ""), (group[0].degraded, "input", "")]
        tiles += [(row.image, f"{row.mos:.3f}", row.distortion or "") for row in best_first[: columns - 2]]
        for column, (path, value, name) in enumerate(tiles):
            if path is not None:
                left, top = GAP_PX + column * step, GAP_PX + index * row_px
                sheet.paste(_tile(path), (left, top))
                pen.text((left, top + TILE_PX + 2), value, INK, font)
                pen.text((left + 50, top + TILE_PX + 4), name, QUIET, small)
    return sheet


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Write a PNG that `is_sheet` knows again, whole or not at all."""
    mark = PngInfo()
    mark.add_text("Software", SOFTWARE)
    with whole(path) as unfinished:
        sheet.save(unfinished, "png", pnginfo=mark)


def is_sheet(path: Path) -> bool:
    """Whether a file is a sheet of ours."""
    try:
        with opened(path) as image:
            return image.info.get("Software") == SOFTWARE
    except UNREADABLE:
        return False


def _source(row: Row) -> tuple[str, str]:
    return row.content, str(row.degraded or "")


def _tile(path: Path) -> Image.Image:
    with opened(path) as image:
        picture = image.convert("RGB")
    scale = TILE_PX / max(picture.size)
    if scale == 1:
        return picture
    size = tuple(max(round(side * scale), 1) for side in picture.size)
    return picture.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX)  # type: ignore[arg-type]
