"""CVRKD-IQA (Yin et al., AAAI 2022): quality against any clean image, distilled from an aligned-reference teacher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from ..errors import ImageError
from ..nn.mixer import MixerEncoder
from ..nn.resnet import EXPANSION, RESNET50_DEPTHS, RESNET50_PLANES, ResidualPyramid


class CVRKDOutput(NamedTuple):
    """What CVRKD returns: `score` (B,), higher is better, and the two mixers' blocks, lists of (B,N,D).

    `difference_blocks` are what the student distils from the teacher.
    """

    score: Tensor
    quality_blocks: list[Tensor]
    difference_blocks: list[Tensor]


class LocalDistortion(nn.Module):
    """The local distortion aware module: every stage of a backbone, narrowed and pooled to one small grid.

    Args:
        in_channels: widths of the backbone's stages.
        width: channels that each is narrowed to.
        grid: side of the pooled map.
    """

    def __init__(self, in_channels: Sequence[int], width: int, grid: int) -> None:
        super().__init__()
        self.narrow = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in in_channels)
        self.pool = nn.AdaptiveAvgPool2d(grid)

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """Map S maps (B,C,H,W) to (B, S, width, grid, grid)."""
        narrowed = [self.pool(narrow(stage)) for narrow, stage in zip(self.narrow, stages, strict=True)]
        return torch.stack(narrowed, dim=1)


class CVRKD(nn.Module):
    """The network of the teacher (aligned reference) and of the student (any clean reference) alike.

    The backbone is frozen, as in the paper: always in eval mode, no weight takes a gradient.

    Args:
        patches: number P of patches an image; their features are stacked on channels.
        stem_width: channels of the backbone's stem.
        planes: bottleneck widths of the backbone's four stages.
        depths: bottlenecks in each stage.
        expansion: output width of a stage over its planes.
        local_width: channels that each stage is narrowed to.
        grid: side of the pooled maps; there are N = grid^2 tokens.
        width: token width D of the mixers.
        quality_depth: blocks of the mixer on the restored image's features.
        difference_depth: blocks of the mixer on the differences.
        mixer_expansion: hidden width of the mixers' MLPs.

    Source: CVRKD-IQA, figure 2, as released (whose unused layers are left out); deviation: the release lets the frozen
    backbone's BatchNorm statistics drift in training, here they stay.
    """

    in_full_precision = ("regressor",)

    def __init__(
        self,
        patches: int = 10,
        stem_width: int = 64,
        planes: Sequence[int] = RESNET50_PLANES,
        depths: Sequence[int] = RESNET50_DEPTHS,
        expansion: int = EXPANSION,
        local_width: int = 64,
        grid: int = 7,
        width: int = 256,
        quality_depth: int = 9,
        difference_depth: int = 18,
        mixer_expansion: int = 4,
    ) -> None:
        super().__init__()
        self.patches = patches
        self.backbone = ResidualPyramid(stem_width, planes, depths, expansion).requires_grad_(False).eval()
        stages = self.backbone.widths[1:]
        self.local_distortion = LocalDistortion(stages, local_width, grid)
        stacked = patches * len(stages) * local_width
        self.quality_encoder = MixerEncoder(stacked, grid**2, width, quality_depth, mixer_expansion)
        self.difference_encoder = MixerEncoder(stacked, grid**2, width, difference_depth, mixer_expansion)
        self.regressor = nn.Sequential(nn.Linear(2 * width, width), nn.Linear(width, 1))

    def train(self, mode: bool = True) -> CVRKD:
        """Switch the mode of everything but the frozen backbone."""
        super().train(mode)
        self.backbone.eval()
        return self

    def requires_grad_(self, requires_grad: bool = True) -> CVRKD:
        """Let gradients reach everything but the frozen backbone."""
        super().requires_grad_(requires_grad)
        self.backbone.requires_grad_(False)
        return self

    def encode(self, patches: Tensor) -> Tensor:
        """Map P patches an image (B,P,3,H,W), ImageNet-normalised, to local features (B, S*P*local_width, grid, grid).

        Channels run over stages S, then patches, then features. What is encoded once can serve as a reference often.
        """
        if patches.ndim != 5 or patches.shape[1] != self.patches:
            raise ImageError(
                f"patches have shape {tuple(patches.shape)}; expected (B,{self.patches},3,H,W): they are stacked on "
                "channels"
            )
        local = self.localise(rearrange(patches, "b p c h w -> (b p) c h w"))
        return self.stack(rearrange(local, "(b p) s c h w -> b p s c h w", p=self.patches))

    def localise(self, patches: Tensor) -> Tensor:
        """Map single patches (N,3,H,W), ImageNet-normalised, to local features (N, S, local_width, grid, grid)."""
        return self.local_distortion(self.backbone(patches)[1:])

    def stack(self, local: Tensor) -> Tensor:
        """Stack local features (B, P, S, local_width, grid, grid) of P patches as `encode` does."""
        return rearrange(local, "b p s c h w -> b (s p c) h w")

    def judge(self, restored: Tensor, reference: Tensor) -> CVRKDOutput:
        """Score encoded images against encoded references, both as `encode` returns them."""
        quality = self.quality_encoder(restored)
        difference = self.difference_encoder(reference - restored)
        summary = torch.cat([quality.summary, difference.summary], dim=1)
        # Under autocast too in the weights' precision: eight bits would leave few scores to tell apart.
        with torch.autocast(summary.device.type, enabled=False):
            score = self.regressor(summary.to(next(self.regressor.parameters()).dtype)).flatten()
        return CVRKDOutput(score, quality.blocks, difference.blocks)

    def forward(self, restored: Tensor, reference: Tensor) -> CVRKDOutput:
        """Score patches against reference patches.

        Args:
            restored: (B,P,3,H,W), ImageNet-normalised.
            reference: (B,P,3,H,W), ImageNet-normalised; aligned for the teacher, of any clean image for the student.

        Returns:
            `score` (B,), unbounded, in the units of the training labels (released: KADID-10k's 1..5), higher is better;
            gradients reach both images.
        """
        return self.judge(self.encode(restored), self.encode(reference))
