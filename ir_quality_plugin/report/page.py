"""One self-contained HTML page from a template: pictures are inside of it, names are escaped."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from ..checkpoints.write import whole

TEMPLATES = Path(__file__).parent / "templates"


def picture(rgb: np.ndarray, enlarge: int = 1) -> str:
    """A uint8 RGB image (H,W,3) as the source of an <img>, each pixel `enlarge` wide."""
    image = Image.fromarray(rgb)
    if enlarge > 1:
        image = image.resize((image.width * enlarge, image.height * enlarge), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "webp", quality=92, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def write_page(path: Path, template: str, **content: Any) -> Path:
    """Fill a template and write the page, whole or not at all.

    Raises:
        CheckpointError: the folder cannot be written to.
    """
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    text = environment.get_template(template).render(**content)
    with whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", errors="replace")  # a name may hold bytes that are no text
    return path
