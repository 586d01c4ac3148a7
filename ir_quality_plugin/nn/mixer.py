"""MLP-Mixer encoders over the tokens of a feature map."""

from __future__ import annotations

from typing import NamedTuple

from einops import rearrange
from torch import Tensor, nn


class Encoding(NamedTuple):
    """What a mixer returns: `summary` (B,D) and the output of each block, `blocks`, a list of (B,N,D)."""

    summary: Tensor
    blocks: list[Tensor]


class MixerBlock(nn.Module):
    """Mix over tokens, then over channels, each as a pre-normalised residual MLP with GELU.

    Args:
        tokens: number N of tokens.
        width: token width D.
        expansion: hidden width of both MLPs over N and D.

    Source: MLP-Mixer (Tolstikhin et al., NeurIPS 2021) as CVRKD-IQA uses it; deviations: none.
    """

    def __init__(self, tokens: int, width: int, expansion: int = 4) -> None:
        super().__init__()
        self.token_norm = nn.LayerNorm(width)
        self.token_mlp = nn.Sequential(
            nn.Conv1d(tokens, tokens * expansion, 1), nn.GELU(), nn.Conv1d(tokens * expansion, tokens, 1)
        )
        self.channel_norm = nn.LayerNorm(width)
        self.channel_mlp = nn.Sequential(
            nn.Linear(width, width * expansion), nn.GELU(), nn.Linear(width * expansion, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B,N,D) to the same shape."""
        tokens = tokens + self.token_mlp(self.token_norm(tokens))
        return tokens + self.channel_mlp(self.channel_norm(tokens))


class MixerEncoder(nn.Module):
    """Embed every position of a map as a token, mix, normalise, and average over the tokens.

    Args:
        in_channels: width of the map.
        tokens: number N = H * W of positions.
        width: token width D.
        depth: number of blocks.
        expansion: hidden width of the blocks' MLPs over N and D.

    Source: CVRKD-IQA (Yin et al., AAAI 2022), section 3; deviations: none.
    """

    def __init__(self, in_channels: int, tokens: int, width: int, depth: int, expansion: int = 4) -> None:
        super().__init__()
        self.embed = nn.Linear(in_channels, width)
        self.blocks = nn.ModuleList(MixerBlock(tokens, width, expansion) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor) -> Encoding:
        """Map (B, in_channels, H, W) to an `Encoding`."""
        tokens = self.embed(rearrange(features, "b c h w -> b (h w) c"))
        blocks = []
        for block in self.blocks:
            tokens = block(tokens)
            blocks.append(tokens)
        return Encoding(self.norm(tokens).mean(dim=1), blocks)
