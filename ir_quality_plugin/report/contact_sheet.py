"""Every degradation at every level on one photograph."""

from __future__ import annotations

import torch
from einops import rearrange
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..degradations import OPERATORS, Step, degrade

LEVELS = range(1, 6)
GAP_PX, LABEL_PX, TITLE_PX = 8, 34, 190
INK, QUIET, PAPER = (27, 31, 36), (91, 101, 112), (251, 250, 247)


def contact_sheet(image: Tensor, names: list[str] | None = None, seed: int = 0) -> Image.Image:
    """Draw a row an operator: the photograph, and its five levels with their strengths.

    Args:
        image: (3,H,W) in [0,1].
        names: of operators; None for all.
        seed: of what they draw.

    Returns:
        An RGB picture.
    """
    names = list(OPERATORS) if names is None else names
    height, width = image.shape[1:]
    columns, row_px = len(LEVELS) + 1, height + LABEL_PX
    size = (TITLE_PX + columns * (width + GAP_PX) + GAP_PX, len(names) * row_px + GAP_PX)
    sheet = Image.new("RGB", size, PAPER)
    pen, font, small = ImageDraw.Draw(sheet), ImageFont.load_default(17), ImageFont.load_default(13)
    for row, name in enumerate(names):
        operator = OPERATORS[name]
        top = GAP_PX + row * row_px
        pen.text((GAP_PX, top), name.replace("_", " "), INK, font)
        pen.text((GAP_PX, top + 24), f"{operator.kind}\n{operator.unit}", QUIET, small)
        plans = [[Step(name, operator.strength(level), seed + level)] for level in LEVELS]
        spoiled = degrade(image.expand(len(plans), -1, -1, -1), plans)
        for column, picture in enumerate([image, *spoiled]):
            left = TITLE_PX + column * (width + GAP_PX)
            sheet.paste(_picture(picture), (left, top))
            label = f"level {column}: {operator.strength(column):g}" if column else "clean"
            pen.text((left, top + height + 4), label, QUIET, small)
    return sheet


def _picture(image: Tensor) -> Image.Image:
    return Image.fromarray((rearrange(image, "c h w -> h w c") * 255).round().to(torch.uint8).numpy())
