"""The multi-scale blocks of the TeacherIQA restoration network."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def normalised(convolution: nn.Module, width: int) -> list[nn.Module]:
    """A convolution followed by BatchNorm and ReLU."""
    return [convolution, nn.BatchNorm2d(width), nn.ReLU()]


class Inception(nn.Module):
    """Four parallel branches of different receptive field, a quarter of the output width each.

    Args:
        in_channels: width of the input.
        out_channels: width of the output, divisible by 8.

    Source: TeacherIQA (Chen et al., ACCV 2022), as released; deviations: none.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        quarter, hidden = out_channels // 4, out_channels // 8
        self.point = nn.Conv2d(in_channels, quarter, 1)
        self.wide = nn.Sequential(
            *normalised(nn.Conv2d(in_channels, hidden, 1), hidden),
            nn.Conv2d(hidden, quarter, 5, padding=2, groups=hidden),
        )
        self.near = nn.Sequential(
            *normalised(nn.Conv2d(in_channels, hidden, 1), hidden),
            *normalised(nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden), hidden),
            nn.Conv2d(hidden, quarter, 1),
        )
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(in_channels, quarter, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H, W)."""
        branches = [self.point(features), self.wide(features), self.near(features), self.pool(features)]
        return torch.cat(branches, dim=1)


class TripleConv(nn.Sequential):
    """Three grouped 3x3 convolutions with half the width between them.

    Args:
        channels: width of input and output, even.

    Source: TeacherIQA (Chen et al., ACCV 2022), as released; deviations: none.
    """

    def __init__(self, channels: int) -> None:
        half = channels // 2
        super().__init__(
            *normalised(nn.Conv2d(channels, half, 3, padding=1, groups=half), half),
            *normalised(nn.Conv2d(half, half, 3, padding=1, groups=half), half),
            nn.Conv2d(half, channels, 3, padding=1, groups=half),
        )


class InceptionConv(nn.Sequential):
    """An `Inception` block and a `TripleConv`, each followed by BatchNorm and ReLU.

    Args:
        in_channels: width of the input.
        out_channels: width of the output, divisible by 8.

    Source: TeacherIQA (Chen et al., ACCV 2022), as released; deviations: none.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            *normalised(Inception(in_channels, out_channels), out_channels),
            *normalised(TripleConv(out_channels), out_channels),
        )
