"""Small pictures for the report's list of images, made while the image is in memory."""

from __future__ import annotations

import base64
import io

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

SIDE_PX = 72
# As many images of a run, the first by name, are listed on its page and have a small picture.
LISTED_IMAGES = 2000


def thumbnail(image: Tensor) -> str:
    """Reduce (3,H,W) in [0,1] to at most 72 px; about 1 KB, as the source of an <img>."""
    height, width = image.shape[-2:]
    factor = min(SIDE_PX / max(height, width), 1)
    size = max(round(height * factor), 1), max(round(width * factor), 1)
    small = functional.interpolate(image[None], size=size, mode="area")[0]
    pixels = (small.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "webp", quality=60)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
