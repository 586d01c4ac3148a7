"""A BasicSR dataset that needs clean photographs alone: their degraded versions are made as they are loaded."""

from __future__ import annotations

import io
import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from ..data.images import list_images, read_image
from ..degradations import Degrader, degrade
from ..errors import UsageError
from .options import check_keys


class DegradedOnTheFlyDataset(torch.utils.data.Dataset[dict[str, Any]]):
    """Clean photographs and what reduction, noise and compression make of them.

    In training, a crop is degraded anew each time; in validation an image is always degraded alike, and cut to a
    multiple of the scale.

    Args:
        opt: `dataroot_gt`, a folder; `scale`; `phase`; for training `gt_size`, `use_hflip`, `use_rot`. The
            degradations: `noise_sigma_255` and `jpeg_quality`, each a range [low, high] or null for none. With
            `in_memory` the photographs are decoded once. `degradations`, the options of a `Degrader`, are drawn after
            the reduction and before these: one operator of any kind and level for `{}`.

    Raises:
        UsageError: no image in the folder, one smaller than `gt_size`, or a range that is none.
    """

    def __init__(self, opt: Mapping[str, Any]) -> None:
        self.opt = opt
        self.paths = list_images(Path(opt["dataroot_gt"]))
        self.training, self.scale = opt["phase"] == "train", int(opt["scale"])
        self.side_px = int(opt["gt_size"]) if self.training else 0
        if self.side_px % self.scale:
            raise UsageError(f"gt_size={self.side_px}; expected a multiple of the scale {self.scale}")
        self.noise_sigma_255 = _range("noise_sigma_255", opt.get("noise_sigma_255"))
        self.jpeg_quality = _range("jpeg_quality", opt.get("jpeg_quality"))
        self.degrader = None if opt.get("degradations") is None else _degrader(opt["degradations"])
        self.read = cache(read_image) if opt.get("in_memory") else read_image

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Load one pair: `lq` (3,h,w) and `gt` (3,H,W), RGB in [0,1], and their paths."""
        clean = self.read(self.paths[index])
        draw = random if self.training else random.Random(index)
        if self.training:
            clean = self._crop(clean, index)
        else:
            clean = clean[:, : clean.shape[1] // self.scale * self.scale, : clean.shape[2] // self.scale * self.scale]
        return {
            "lq": self.degrade(clean, draw),
            "gt": clean,
            "lq_path": str(self.paths[index]),
            "gt_path": str(self.paths[index]),
        }

    def degrade(self, clean: Tensor, draw: Any) -> Tensor:
        """Reduce (3,H,W) bicubically, add noise, compress; `draw` is a source of random numbers."""
        small = clean[None]
        if self.scale > 1:
            small = interpolate(small, scale_factor=1 / self.scale, mode="bicubic", antialias=True)
        if self.degrader:
            small = degrade(small.clamp(0, 1), [self.degrader.plan(draw.getrandbits(62))])
        small = small[0]
        if self.noise_sigma_255:
            generator = torch.Generator().manual_seed(draw.getrandbits(63))
            small = small + draw.uniform(*self.noise_sigma_255) / 255 * torch.randn(small.shape, generator=generator)
        pixels = (small.clamp(0, 1) * 255).round().byte()
        if self.jpeg_quality:
            pixels = compressed(pixels, round(draw.uniform(*self.jpeg_quality)))
        return pixels.float() / 255

    def _crop(self, clean: Tensor, index: int) -> Tensor:
        height, width = clean.shape[1:]
        if min(height, width) < self.side_px:
            raise UsageError(f"{self.paths[index]} is {width}x{height}, less than gt_size={self.side_px}; leave it out")
        top, left = random.randint(0, height - self.side_px), random.randint(0, width - self.side_px)
        crop = clean[:, top : top + self.side_px, left : left + self.side_px]
        if self.opt.get("use_hflip") and random.random() < 0.5:
            crop = crop.flip(2)
        if self.opt.get("use_rot"):
            crop = crop.rot90(random.randrange(4), (1, 2))
        return crop.contiguous()


def compressed(pixels: Tensor, quality: int) -> Tensor:
    """Compress (3,H,W) uint8 as JPEG and back."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(buffer, "jpeg", quality=quality)
    return torch.from_numpy(np.array(Image.open(buffer).convert("RGB"))).permute(2, 0, 1)


def _degrader(options: Any) -> Degrader:
    if not isinstance(options, Mapping):
        raise UsageError(f"degradations={options!r}; expected a mapping, such as {{steps: [1, 3], levels: [1, 4]}}")
    check_keys(Degrader, options, "degradations")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    return Degrader(**values)


def _range(name: str, value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    if not isinstance(value, (list, tuple)) or len(value) != 2 or not 0 <= value[0] <= value[1]:
        raise UsageError(f"{name}={value!r}; expected a range [low, high], or null for none")
    return float(value[0]), float(value[1])
