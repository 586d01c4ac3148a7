"""Clean images of any content, chosen reproducibly."""

from __future__ import annotations

import random
from functools import lru_cache
from pathlib import Path

from torch import Tensor

from ..errors import UsageError
from .images import list_images, read_image

# A reference is read again only after so many others; 480 x 480 px take 2.8 MB each.
KEPT = 64


class ReferenceBank:
    """A folder of clean images; the n-th draw with a seed is always the same one.

    Args:
        folder: of image files.
        seed: of the order.

    Raises:
        UsageError: there is no such folder, or no image in it.
    """

    def __init__(self, folder: str | Path, seed: int = 0) -> None:
        folder = Path(folder)
        if not folder.is_dir():
            raise UsageError(f"references={str(folder)!r} is no folder; expected one of clean images")
        self.paths, self.seed = list_images(folder), seed
        self._read = lru_cache(maxsize=KEPT)(read_image)

    def __len__(self) -> int:
        return len(self.paths)

    def draw(self, call: int) -> Tensor:
        """Give the image of the `call`-th call as (1,3,H,W) in [0,1]; epochs through the folder are shuffled anew.

        Raises:
            ImageError: the file cannot be read.
        """
        epoch, position = divmod(call, len(self.paths))
        order = random.Random(f"{self.seed}/{epoch}").sample(range(len(self.paths)), len(self.paths))
        return self._read(self.paths[order[position]])[None]
