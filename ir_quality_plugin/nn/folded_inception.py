"""The folded form of the TeacherIQA blocks: depthwise convolutions where the paper's are grouped by two."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .folded import FoldedConv, Kernel, fold_norm, folded_conv
from .folded_pool import SlidingMax
from .inception import InceptionConv

# Even and odd channels.
HALVES = (slice(0, None, 2), slice(1, None, 2))


class FoldedInceptionConv(nn.Module):
    """An `InceptionConv`: the three 1x1 convolutions that read its input are one, and every BatchNorm is folded.

    A group of the triple convolution has two inputs or two outputs, channels 2g and 2g + 1, which oneDNN computes
    twenty times slower than single ones. So even and odd channels are maps of their own from the branches on, the first
    convolution is the sum of two depthwise ones, and the last is two.
    """

    def __init__(self, block: InceptionConv) -> None:
        super().__init__()
        inception: Any = block[0]
        norm: Any = block[1]
        norm_after: Any = block[4]
        quarter = inception.point.out_channels
        hidden = inception.wide[0].out_channels
        point, wide, near, pool = (slice(start * quarter, (start + 1) * quarter) for start in range(4))

        def joined() -> Kernel:
            entrances = (
                _even_first(partial(fold_norm, inception.point, norm, point)),
                fold_norm(inception.wide[0], inception.wide[1]),
                fold_norm(inception.near[0], inception.near[1]),
            )
            return Kernel(*(torch.cat(parts) for parts in zip(*entrances, strict=True)))

        def ordered(conv: nn.Conv2d, channels: slice) -> FoldedConv:
            kernel = partial(_even_first, partial(fold_norm, conv, norm, channels))
            return FoldedConv(kernel, conv, conv.weight.dtype, relu=True)

        self.half_width, self.widths = quarter // 2, (quarter, hidden, hidden)
        self.enter = FoldedConv(joined, inception.point, inception.point.weight.dtype, relu=True)
        self.wide = _halves(inception.wide[3], partial(fold_norm, inception.wide[3], norm, wide))
        self.near = nn.Sequential(
            folded_conv(inception.near[3], inception.near[4], relu=True), ordered(inception.near[6], near)
        )
        self.pool = nn.Sequential(SlidingMax(inception.pool[0]), ordered(inception.pool[1], pool))
        self.triple = FoldedTripleConv(block[3], norm_after)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H, W)."""
        point, wide, near = self.enter(features).split(self.widths, dim=1)
        ordered = (point, self.near(near), self.pool(features))
        points, nears, pools = (branch.split(self.half_width, dim=1) for branch in ordered)
        wides = [half(wide) for half in self.wide]
        return self.triple(*(torch.cat(parts, dim=1) for parts in zip(points, wides, nears, pools, strict=True)))


class FoldedTripleConv(nn.Module):
    """A `TripleConv` with the BatchNorm and the ReLU behind it, in depthwise convolutions."""

    def __init__(self, triple: Any, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        first, last = partial(fold_norm, triple[0], triple[1]), partial(fold_norm, triple[6], norm)

        def evens() -> Kernel:
            weight, bias = first()
            return Kernel(weight[:, :1], torch.zeros_like(bias))

        def odds() -> Kernel:
            weight, bias = first()
            return Kernel(weight[:, 1:], bias)

        dtype = triple[0].weight.dtype
        self.evens = FoldedConv(evens, triple[3], dtype)
        self.odds = FoldedConv(odds, triple[3], dtype, relu=True)
        self.middle = folded_conv(triple[3], triple[4], relu=True)
        self.last = _halves(triple[6], last)

    def forward(self, evens: Tensor, odds: Tensor) -> Tensor:
        """Map the even and the odd channels, (B,C/2,H,W) each, to (B,C,H,W)."""
        middle = self.middle(self.odds(odds, self.evens(evens)))
        last = [half(middle).permute(0, 2, 3, 1) for half in self.last]
        if last[0].requires_grad:
            return torch.stack(last, dim=-1).flatten(3).permute(0, 3, 1, 2)
        # What stack does for rows of two numbers is several times slower.
        together = last[0].new_empty(*last[0].shape, 2)
        for place, half in enumerate(last):
            together[..., place] = half
        return together.flatten(3).permute(0, 3, 1, 2)


def _even_first(kernel: Callable[[], Kernel]) -> Kernel:
    """Put the even outputs of a kernel before the odd ones."""
    return Kernel(*(torch.cat([values[rows] for rows in HALVES]) for values in kernel()))


def _halves(conv: nn.Conv2d, kernel: Callable[[], Kernel]) -> nn.ModuleList:
    """A convolution of groups of one input and two outputs as two depthwise ones, a ReLU behind each."""

    def half(rows: slice) -> Kernel:
        return Kernel(*(values[rows] for values in kernel()))

    return nn.ModuleList(FoldedConv(partial(half, rows), conv, conv.weight.dtype, relu=True) for rows in HALVES)
