"""Small pictures for the reports, made while the image is in memory."""

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


def thumbnail(image: Tensor, side_px: int = SIDE_PX, quality: int = 60) -> str:
    """Reduce an image and write it as the source of an <img>.

    Args:
        image: (3,H,W) in [0,1].
        side_px: greatest height and width; 72 px take about 1 KB.
        quality: of WebP, up to 100.
    """
    height, width = image.shape[-2:]
    factor = min(side_px / max(height, width), 1)
    size = max(round(height * factor), 1), max(round(width * factor), 1)
    small = functional.interpolate(image[None], size=size, mode="area")[0]
    pixels = (small.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "webp", quality=quality)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
