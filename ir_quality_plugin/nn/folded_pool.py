"""Max-pools of frozen networks as maxima of neighbours."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def is_sliding(pool: nn.MaxPool2d) -> bool:
    """Whether a max-pool is one of those that `SlidingMax` computes: 3x3, of stride 1 or 2."""
    plain = pool.padding in (1, (1, 1)) and pool.dilation in (1, (1, 1)) and not pool.ceil_mode
    return plain and pool.kernel_size in (3, (3, 3)) and pool.stride in (1, 2, (1, 1), (2, 2))


class SlidingMax(nn.Module):
    """A 3x3 max-pool of stride 1 or 2: maxima of neighbours, along rows and along columns.

    torch's own also keeps where each maximum was found, in twice the memory of the maps; it stays where a gradient is
    asked for.
    """

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.pool, self.stride = pool, 1 if pool.stride in (1, (1, 1)) else 2

    def forward(self, features: Tensor) -> Tensor:
        """Map (B,C,H,W) to the same shape, or by stride 2 to (B,C,ceil(H/2),ceil(W/2))."""
        wants_gradient = torch.is_grad_enabled() and features.requires_grad
        if wants_gradient or features.device.type != "cpu" or min(features.shape[-2:]) < 2:
            return self.pool(features)
        batch, channels, height, width = features.shape
        rows, columns = (-(-side // self.stride) for side in (height, width))
        slide = _slide if self.stride == 1 else _slide_by_two
        found = features.new_empty(batch, rows, columns, channels).permute(0, 3, 1, 2)
        for image, largest in zip(features, found, strict=True):
            along = image.new_empty(rows, width, channels).permute(2, 0, 1)
            slide(image, along, 1)
            slide(along, largest, 2)
        return found


def _slide(values: Tensor, largest: Tensor, axis: int) -> None:
    """Write the largest of each value and its two neighbours along an axis of at least two."""
    last = values.shape[axis] - 1
    pairs = torch.maximum(values.narrow(axis, 0, last), values.narrow(axis, 1, last))
    inside = largest.narrow(axis, 1, last - 1)
    torch.maximum(pairs.narrow(axis, 0, last - 1), pairs.narrow(axis, 1, last - 1), out=inside)
    largest.narrow(axis, 0, 1).copy_(pairs.narrow(axis, 0, 1))
    largest.narrow(axis, last, 1).copy_(pairs.narrow(axis, last - 1, 1))


def _slide_by_two(values: Tensor, largest: Tensor, axis: int) -> None:
    """Write the largest of every second value and its two neighbours along an axis of at least two."""
    before = (slice(None),) * axis
    evens, odds = (values[(*before, slice(start, None, 2))] for start in (0, 1))
    paired = odds.shape[axis]
    torch.maximum(evens.narrow(axis, 0, paired), odds, out=largest.narrow(axis, 0, paired))
    if evens.shape[axis] > paired:
        largest.narrow(axis, paired, 1).copy_(evens.narrow(axis, paired, 1))
    behind = largest.narrow(axis, 1, largest.shape[axis] - 1)
    torch.maximum(behind, odds.narrow(axis, 0, behind.shape[axis]), out=behind)
