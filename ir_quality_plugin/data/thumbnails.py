"""Small pictures for the reports, made while the image is in memory."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image
from torch import Tensor

SIDE_PX = 72
# As many images of a run, the first by name, are listed on its page and have a small picture.
LISTED_IMAGES = 2000
# Of WebP, 0 to 6: at 72 px, Pillow's 4 takes twice as long for 3 % fewer bytes.
EFFORT = 2


def thumbnail(image: Tensor, side_px: int = SIDE_PX, quality: int = 60) -> str:
    """Reduce an image and write it as the source of an <img>; on the calling thread alone.

    Args:
        image: (3,H,W) in [0,1].
        side_px: greatest height and width; 72 px take about 1 KB.
        quality: of WebP, up to 100.
    """
    height, width = image.shape[-2:]
    factor = min(side_px / max(height, width), 1)
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    few = _fewer_rows(image.cpu().numpy(), size[1])
    pixels = (few.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    small = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BOX)
    buffer = io.BytesIO()
    small.save(buffer, "webp", quality=quality, method=EFFORT)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _fewer_rows(pixels: np.ndarray, least: int) -> np.ndarray:
    """Means of as many neighbouring rows as leave `least` of them; rows at the end that are fewer are left out."""
    channels, height, width = pixels.shape
    together = height // least
    if together < 2:
        return pixels
    rows = height // together
    return pixels[:, : rows * together].reshape(channels, rows, together, width).mean(axis=2)
