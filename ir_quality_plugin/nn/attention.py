"""Self-attention over the positions of a feature map."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn


class LongRangeAttention(nn.Module):
    """Let every position answer to every other: `gamma * softmax(q k^T) v + features`.

    The softmax is unscaled and `gamma` starts at zero, so that a fresh block is the identity.

    Args:
        channels: width C of the map.
        reduction: queries and keys have C / reduction channels.

    Source: TeacherIQA (Chen et al., ACCV 2022), as released; deviations: none.
    """

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels // reduction, 1)
        self.key = nn.Conv2d(channels, channels // reduction, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B,C,H,W) to the same shape."""
        query, key, value = (
            rearrange(project(features), "b c h w -> b (h w) c") for project in (self.query, self.key, self.value)
        )
        response = torch.softmax(query @ key.transpose(1, 2), dim=-1) @ value
        height = features.shape[-2]
        return self.gamma * rearrange(response, "b (h w) c -> b c h w", h=height) + features
