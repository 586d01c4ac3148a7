"""Plain readings of the released TeacherIQA and CVRKD-IQA networks: what somebody gets who runs the papers' code.

Eager, contiguous, on torchvision's ResNet-50, BatchNorm where the papers have it, the whole decoder at every call, both
images encoded at every call. Parameters have our names, so that a state dict of ours loads strictly.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torchvision.models import resnet50


class Trunk(nn.Module):
    """torchvision's ResNet-50 as an encoder; (B,3,H,W) to its stem and four stages."""

    def __init__(self) -> None:
        super().__init__()
        trunk = resnet50(weights=None)
        self.conv1, self.bn1, self.relu, self.maxpool = trunk.conv1, trunk.bn1, trunk.relu, trunk.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4

    def forward(self, images: Tensor) -> list[Tensor]:
        """Give the five taps, finest first."""
        taps = [self.relu(self.bn1(self.conv1(images)))]
        features = self.maxpool(taps[0])
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = layer(features)
            taps.append(features)
        return taps


def block(convolution: nn.Module, width: int) -> list[nn.Module]:
    """A convolution, BatchNorm and ReLU."""
    return [convolution, nn.BatchNorm2d(width), nn.ReLU()]


class FourBranches(nn.Module):
    """The Inception block: 1x1; 1x1 and 5x5 depthwise; 1x1, 3x3 depthwise and 1x1; max-pool and 1x1."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        branch, hidden = out // 4, out // 8
        self.point = nn.Conv2d(into, branch, 1)
        self.wide = nn.Sequential(
            *block(nn.Conv2d(into, hidden, 1), hidden), nn.Conv2d(hidden, branch, 5, padding=2, groups=hidden)
        )
        self.near = nn.Sequential(
            *block(nn.Conv2d(into, hidden, 1), hidden),
            *block(nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden), hidden),
            nn.Conv2d(hidden, branch, 1),
        )
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(into, branch, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Join the branches."""
        return torch.cat((self.point(features), self.wide(features), self.near(features), self.pool(features)), 1)


def fusion(into: int, out: int) -> nn.Sequential:
    """Inception and three grouped convolutions."""
    half = out // 2
    triple = nn.Sequential(
        *block(nn.Conv2d(out, half, 3, padding=1, groups=half), half),
        *block(nn.Conv2d(half, half, 3, padding=1, groups=half), half),
        nn.Conv2d(half, out, 3, padding=1, groups=half),
    )
    return nn.Sequential(*block(FourBranches(into, out), out), *block(triple, out))


class Up(nn.Module):
    """A step of the decoder."""

    def __init__(self, below: int, skip: int, out: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(below, out, 2, 2)
        self.fuse = fusion(out + skip, out)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """Double the resolution and fuse with the encoder's map."""
        return self.fuse(torch.cat((self.up(below), skip), 1))


class Teacher(nn.Module):
    """The restoration U-Net."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Trunk()
        self.bottom = fusion(2048, 2048)
        self.up16, self.up8, self.up4 = Up(2048, 1024, 1024), Up(1024, 512, 512), Up(512, 256, 256)
        self.up2, self.up1, self.out = Up(256, 64, 64), nn.ConvTranspose2d(64, 64, 2, 2), nn.Conv2d(64, 3, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Give the restored images and the four maps that the student reads."""
        stem, stage1, stage2, stage3, stage4 = self.encoder(images)
        maps = [self.bottom(stage4)]
        for up, skip in ((self.up16, stage3), (self.up8, stage2), (self.up4, stage1)):
            maps.append(up(maps[-1], skip))
        return torch.sigmoid(self.out(self.up1(self.up2(maps[-1], stem)))), maps


class Attention(nn.Module):
    """Self-attention over positions, unscaled."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Conv2d(width, out, 1) for out in (width // 8, width // 8, width))
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, features: Tensor) -> Tensor:
        """Add each position's response to all others."""
        query, key, value = (project(features).flatten(2) for project in (self.query, self.key, self.value))
        weights = torch.softmax(torch.bmm(query.transpose(1, 2), key), dim=-1)
        return self.gamma * torch.bmm(value, weights.transpose(1, 2)).view_as(features) + features


def chain(*widths: int) -> nn.Sequential:
    """1x1 convolutions, a ReLU after each."""
    return nn.Sequential(*(step for into, out in pairwise(widths) for step in (nn.Conv2d(into, out, 1), nn.ReLU())))


class TeacherIQAReading(nn.Module):
    """The student on its teacher; scores one normalised patch (1,3,224,224) at a time, as the released demo does."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher = Teacher()
        self.distil_bottom = chain(2048, 1024, 512, 256)
        self.distil16 = nn.Sequential(chain(1024, 256), nn.AvgPool2d(2))
        self.distil8 = nn.Sequential(chain(512, 512), nn.AvgPool2d(4))
        self.distil4 = nn.Sequential(chain(256, 1024), nn.AvgPool2d(8))
        self.aggregate16, self.aggregate8, self.aggregate4 = Attention(512), Attention(1024), Attention(2048)
        self.head = chain(2048, 1024, 512, 256, 32)
        self.score = nn.Conv2d(32, 1, 7)

    def forward(self, patch: Tensor) -> Tensor:
        """Score (B,3,224,224) as (B,)."""
        _, (bottom, map16, map8, map4) = self.teacher(patch)
        response = self.aggregate16(torch.cat((self.distil_bottom(bottom), self.distil16(map16)), 1))
        response = self.aggregate8(torch.cat((response, self.distil8(map8)), 1))
        response = self.aggregate4(torch.cat((response, self.distil4(map4)), 1))
        return self.score(self.head(response)).flatten()


class Mixing(nn.Module):
    """A block of the MLP-Mixer over 49 tokens of 256."""

    def __init__(self) -> None:
        super().__init__()
        self.token_norm, self.channel_norm = nn.LayerNorm(256), nn.LayerNorm(256)
        self.token_mlp = nn.Sequential(nn.Conv1d(49, 196, 1), nn.GELU(), nn.Conv1d(196, 49, 1))
        self.channel_mlp = nn.Sequential(nn.Linear(256, 1024), nn.GELU(), nn.Linear(1024, 256))

    def forward(self, tokens: Tensor) -> Tensor:
        """Mix over tokens, then over channels."""
        tokens = tokens + self.token_mlp(self.token_norm(tokens))
        return tokens + self.channel_mlp(self.channel_norm(tokens))


class Mixer(nn.Module):
    """An MLP-Mixer that averages its tokens."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.embed, self.norm = nn.Linear(2560, 256), nn.LayerNorm(256)
        self.blocks = nn.ModuleList(Mixing() for _ in range(depth))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B,2560,7,7) to (B,256)."""
        tokens = self.embed(features.flatten(2).transpose(1, 2))
        for mixing in self.blocks:
            tokens = mixing(tokens)
        return self.norm(tokens).mean(1)


class CVRKDReading(nn.Module):
    """Teacher and student alike: ten patches of each image, both encoded at every call."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Trunk()
        self.local_distortion = nn.ModuleDict(
            {"narrow": nn.ModuleList(nn.Conv2d(width, 64, 1) for width in (256, 512, 1024, 2048))}
        )
        self.pool = nn.AdaptiveAvgPool2d(7)
        self.quality_encoder, self.difference_encoder = Mixer(9), Mixer(18)
        self.regressor = nn.Sequential(nn.Linear(512, 256), nn.Linear(256, 1))

    def encode(self, patches: Tensor) -> Tensor:
        """Map (B,10,3,224,224) to (B,2560,7,7): stages, then patches, then features."""
        batch, count = patches.shape[:2]
        stages = self.backbone(patches.flatten(0, 1))[1:]
        narrowed = [
            self.pool(narrow(stage)).view(batch, count * 64, 7, 7)
            for narrow, stage in zip(self.local_distortion["narrow"], stages, strict=True)
        ]
        return torch.cat(narrowed, 1)

    def forward(self, restored: Tensor, reference: Tensor) -> Tensor:
        """Score (B,10,3,224,224) against as many patches of clean images, as (B,)."""
        quality, clean = self.encode(restored), self.encode(reference)
        summary = torch.cat((self.quality_encoder(quality), self.difference_encoder(clean - quality)), 1)
        return self.regressor(summary).flatten()
