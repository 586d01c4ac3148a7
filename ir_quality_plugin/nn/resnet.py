"""The bottleneck residual stages that all three methods take from ResNet-50, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

RESNET50_PLANES = (64, 128, 256, 512)
RESNET50_DEPTHS = (3, 4, 6, 3)
EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1 reduce, 3x3, 1x1 expand, each with BatchNorm, around a shortcut.

    The names of the parameters are torchvision's, so that ImageNet weights map one to one.

    Args:
        in_channels: width of the input.
        planes: width of the 3x3 convolution; the output has `planes * expansion` channels.
        stride: of the 3x3 convolution (torchvision's "v1.5" placement).
        expansion: output width over `planes`.

    Source: He et al., CVPR 2016; deviations: none from torchvision's ResNet-50.
    """

    def __init__(self, in_channels: int, planes: int, stride: int = 1, expansion: int = EXPANSION) -> None:
        super().__init__()
        width = planes * expansion
        self.conv1 = nn.Conv2d(in_channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != width:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, planes * expansion, H/stride, W/stride)."""
        residual = self.relu(self.bn1(self.conv1(features)))
        residual = self.relu(self.bn2(self.conv2(residual)))
        residual = self.bn3(self.conv3(residual))
        return self.relu(residual + self.downsample(features))


def residual_stage(in_channels: int, planes: int, depth: int, stride: int, expansion: int = EXPANSION) -> nn.Sequential:
    """Build one stage: `depth` bottlenecks, the first of which changes width and, with `stride` 2, resolution."""
    blocks = [Bottleneck(in_channels, planes, stride, expansion)]
    blocks += [Bottleneck(planes * expansion, planes, 1, expansion) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)


class Pyramid(NamedTuple):
    """The five taps of a residual encoder, finest first."""

    stem: Tensor
    stage1: Tensor
    stage2: Tensor
    stage3: Tensor
    stage4: Tensor


class ResidualPyramid(nn.Module):
    """The trunk of a bottleneck ResNet that returns all its taps by name.

    Args:
        stem_width: channels of the 7x7 stem.
        planes: bottleneck widths of the four stages.
        depths: bottlenecks in each stage.
        expansion: output width of a stage over its planes.

    Source: He et al., CVPR 2016 (ResNet-50 by default); deviations: no pooling head.
    """

    def __init__(
        self,
        stem_width: int = 64,
        planes: Sequence[int] = RESNET50_PLANES,
        depths: Sequence[int] = RESNET50_DEPTHS,
        expansion: int = EXPANSION,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, stem_width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem_width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        widths = [width * expansion for width in planes]
        self.widths = (stem_width, *widths)
        self.layer1 = residual_stage(stem_width, planes[0], depths[0], 1, expansion)
        self.layer2 = residual_stage(widths[0], planes[1], depths[1], 2, expansion)
        self.layer3 = residual_stage(widths[1], planes[2], depths[2], 2, expansion)
        self.layer4 = residual_stage(widths[2], planes[3], depths[3], 2, expansion)

    def forward(self, images: Tensor) -> Pyramid:
        """Map (B,3,H,W) to taps at 1/2 (before the max-pool), 1/4, 1/8, 1/16 and 1/32 of the resolution."""
        stem = self.relu(self.bn1(self.conv1(images)))
        stage1 = self.layer1(self.maxpool(stem))
        stage2 = self.layer2(stage1)
        stage3 = self.layer3(stage2)
        return Pyramid(stem, stage1, stage2, stage3, self.layer4(stage3))
