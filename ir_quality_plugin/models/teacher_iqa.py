"""TeacherIQA (Chen et al., ACCV 2022): a teacher restores images; its knowledge lets a student score blindly."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..errors import ImageError, UsageError
from ..nn.attention import LongRangeAttention
from ..nn.inception import InceptionConv
from ..nn.pixels import mirror_to
from ..nn.resnet import EXPANSION, RESNET50_DEPTHS, RESNET50_PLANES, Pyramid, ResidualPyramid

STRIDE = 32


class Knowledge(NamedTuple):
    """The teacher's maps that the student reads: the bottom at 1/32, the decoder's at 1/16, 1/8 and 1/4."""

    bottom: Tensor
    map16: Tensor
    map8: Tensor
    map4: Tensor


class TeacherOutput(NamedTuple):
    """What the teacher returns: `restored` (B,3,H,W) in [0,1] and its `knowledge`."""

    restored: Tensor
    knowledge: Knowledge


class StudentOutput(NamedTuple):
    """What the student returns: `score` (B,), higher is better, and the teacher's `restored` image if asked for."""

    score: Tensor
    restored: Tensor | None


class Up(nn.Module):
    """Double the resolution, join the encoder's map of that scale, fuse.

    Args:
        in_channels: width from below.
        skip_channels: width of the encoder's map.
        out_channels: width after the up-convolution and after the fusion.
    """

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, 2, 2)
        self.fuse = InceptionConv(out_channels + skip_channels, out_channels)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) and (B, skip_channels, 2H, 2W) to (B, out_channels, 2H, 2W)."""
        return self.fuse(torch.cat([self.up(below), skip], dim=1))


class RestorationTeacher(nn.Module):
    """The teacher: a U-Net on residual stages that restores diversely distorted images.

    Args:
        stem_width: channels of the encoder's stem.
        planes: bottleneck widths of the encoder's four stages.
        depths: bottlenecks in each stage.
        expansion: output width of a stage over its planes.

    The decoder mirrors the encoder's widths. All widths must be divisible by 8.

    Source: TeacherIQA, the teacher network, as released; deviation: an image whose sides 32 does not divide is
    mirrored to the next multiple, and its restoration cut back, where the release pads inside the decoder.
    """

    def __init__(
        self,
        stem_width: int = 64,
        planes: Sequence[int] = RESNET50_PLANES,
        depths: Sequence[int] = RESNET50_DEPTHS,
        expansion: int = EXPANSION,
    ) -> None:
        super().__init__()
        widths = (stem_width, *(width * expansion for width in planes))
        if any(width % 8 for width in widths):
            raise UsageError(f"the encoder's widths are {widths}; expected multiples of 8, for the decoder's branches")
        self.encoder = ResidualPyramid(stem_width, planes, depths, expansion)
        stem, stage1, stage2, stage3, stage4 = self.encoder.widths
        self.bottom = InceptionConv(stage4, stage4)
        self.up16 = Up(stage4, stage3, stage3)
        self.up8 = Up(stage3, stage2, stage2)
        self.up4 = Up(stage2, stage1, stage1)
        self.up2 = Up(stage1, stem, stem)
        self.up1 = nn.ConvTranspose2d(stem, stem, 2, 2)
        self.out = nn.Conv2d(stem, 3, 1)

    def understand(self, images: Tensor) -> tuple[Knowledge, Pyramid]:
        """Map (B,3,H,W) in [0,1], H and W divisible by 32, to the knowledge and the encoder's taps.

        This is all that scoring needs of the teacher; `draw` goes on to the picture.
        """
        taps = self.encoder(images)
        bottom = self.bottom(taps.stage4)
        map16 = self.up16(bottom, taps.stage3)
        map8 = self.up8(map16, taps.stage2)
        map4 = self.up4(map8, taps.stage1)
        return Knowledge(bottom, map16, map8, map4), taps

    def draw(self, knowledge: Knowledge, taps: Pyramid) -> Tensor:
        """Finish the decoder: the restored image (B,3,H,W) in [0,1]."""
        return torch.sigmoid(self.out(self.up1(self.up2(knowledge.map4, taps.stem))))

    def forward(self, degraded: Tensor) -> TeacherOutput:
        """Restore images.

        Args:
            degraded: (B,3,H,W) in [0,1], any size.

        Returns:
            `restored` (B,3,H,W) in [0,1] and the `knowledge`; gradients reach `degraded`.
        """
        height, width = degraded.shape[-2:]
        knowledge, taps = self.understand(
            mirror_to(degraded, *(-(-side // STRIDE) * STRIDE for side in (height, width)))
        )
        return TeacherOutput(self.draw(knowledge, taps)[..., :height, :width], knowledge)


class TeacherIQAStudent(nn.Module):
    """The student: aggregates the teacher's knowledge step by step through long-range responses into a score.

    Args:
        stem_width: channels of the teacher's stem.
        planes: bottleneck widths of the teacher's encoder.
        depths: bottlenecks in each stage of the encoder.
        expansion: output width of a stage over its planes.
        width: channels of the distilled bottom; the three aggregations have 2, 4 and 8 times as many.
        patch_px: side of the square patch that is scored, in pixels, divisible by 32.

    Source: TeacherIQA, the student network, as released; deviations: none.
    """

    in_full_precision = ("head", "score")

    def __init__(
        self,
        stem_width: int = 64,
        planes: Sequence[int] = RESNET50_PLANES,
        depths: Sequence[int] = RESNET50_DEPTHS,
        expansion: int = EXPANSION,
        width: int = 256,
        patch_px: int = 224,
    ) -> None:
        super().__init__()
        if patch_px % STRIDE or patch_px < STRIDE:
            raise UsageError(f"patch_px={patch_px}; expected a multiple of {STRIDE}: the encoder halves it five times")
        self.patch_px = patch_px
        self.teacher = RestorationTeacher(stem_width, planes, depths, expansion)
        _, stage1, stage2, stage3, stage4 = self.teacher.encoder.widths
        self.distil_bottom = pointwise(stage4, width * 4, width * 2, width)
        self.distil16 = nn.Sequential(pointwise(stage3, width), nn.AvgPool2d(2))
        self.distil8 = nn.Sequential(pointwise(stage2, width * 2), nn.AvgPool2d(4))
        self.distil4 = nn.Sequential(pointwise(stage1, width * 4), nn.AvgPool2d(8))
        self.aggregate16 = LongRangeAttention(width * 2)
        self.aggregate8 = LongRangeAttention(width * 4)
        self.aggregate4 = LongRangeAttention(width * 8)
        self.head = pointwise(width * 8, width * 4, width * 2, width, width // 8)
        self.score = nn.Conv2d(width // 8, 1, patch_px // STRIDE)

    def forward(self, patches: Tensor, restore: bool = False) -> StudentOutput:
        """Score square patches.

        Args:
            patches: (B,3,patch_px,patch_px), normalised as the weights' card says.
            restore: also return the teacher's restored patches.

        Returns:
            `score` (B,), unbounded, in the units of the training labels (released: MOS 0..100), higher is better;
            gradients reach `patches`.
        """
        if tuple(patches.shape[-2:]) != (self.patch_px, self.patch_px):
            raise ImageError(
                f"patches have shape {tuple(patches.shape)}; expected (B,3,{self.patch_px},{self.patch_px}): a scorer "
                "cuts larger images into patches"
            )
        knowledge, taps = self.teacher.understand(patches)
        response = self.distil_bottom(knowledge.bottom)
        response = self.aggregate16(torch.cat([response, self.distil16(knowledge.map16)], dim=1))
        response = self.aggregate8(torch.cat([response, self.distil8(knowledge.map8)], dim=1))
        response = self.aggregate4(torch.cat([response, self.distil4(knowledge.map4)], dim=1))
        # Under autocast too in the weights' precision: eight bits would leave few scores to tell apart.
        with torch.autocast(response.device.type, enabled=False):
            score = self.score(self.head(response.to(self.score.weight.dtype))).flatten()
        return StudentOutput(score, self.teacher.draw(knowledge, taps) if restore else None)


def pointwise(*widths: int) -> nn.Sequential:
    """A chain of 1x1 convolutions through `widths`, a ReLU after each."""
    steps: list[nn.Module] = []
    for in_channels, out_channels in pairwise(widths):
        steps += [nn.Conv2d(in_channels, out_channels, 1), nn.ReLU()]
    return nn.Sequential(*steps)
