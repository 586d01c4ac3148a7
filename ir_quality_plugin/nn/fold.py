"""A copy of a frozen network that computes the same faster."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from .folded import FoldedConv, Kernel, folded_conv, is_fixed, is_plain
from .folded_inception import FoldedInceptionConv
from .folded_pool import SlidingMax, is_sliding
from .inception import InceptionConv
from .memory import keep_freed_maps
from .resnet import Bottleneck, ResidualPyramid


def fold(network: Any) -> Any:
    """Copy a frozen network; convolutions take in the BatchNorm, ReLU and sum behind them, the rest is shared.

    A convolution of another kind than the package's networks have (see `is_plain`) stays as it is, with what is behind.

    Args:
        network: of the package's modules, in eval mode, no weight of which takes a gradient.

    Returns:
        A network that is called alike, with the same output up to float rounding. It has no state of its own to save,
        and its gradient is not differentiable again.
    """
    keep_freed_maps()
    # Not as tensors of inference mode, which no later graph could hold.
    with torch.inference_mode(False), torch.no_grad():
        return _fold(network)


class FoldedBottleneck(nn.Module):
    """A `Bottleneck` of three folded convolutions, or four; the sum is inside of the last.

    Args:
        block: that it computes the same as.
        inside: whether its input comes from a block before it, and goes nowhere else; it may be written over.
    """

    def __init__(self, block: Bottleneck, inside: bool = False) -> None:
        super().__init__()
        self.over = inside or not isinstance(block.downsample, nn.Identity)
        self.reduce = folded_conv(block.conv1, block.bn1, relu=True)
        self.mix = folded_conv(block.conv2, block.bn2, relu=True)
        self.expand = folded_conv(block.conv3, block.bn3, relu=True)
        self.downsample = _fold(block.downsample)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, planes * expansion, H/stride, W/stride)."""
        return self.expand(self.mix(self.reduce(features)), self.downsample(features), self.over)


class FoldedDoubling(nn.Module):
    """A 2x2 up-convolution with stride 2: a 1x1 convolution to four times the width, and its four maps interleaved."""

    def __init__(self, up: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.width = up.out_channels

        def quarters() -> Kernel:
            weight = up.weight.permute(2, 3, 1, 0).reshape(4 * self.width, -1, 1, 1).double()
            bias = weight.new_zeros(self.width) if up.bias is None else up.bias.double()
            return Kernel(weight, bias.repeat(4))

        like = nn.Conv2d(up.in_channels, 4 * self.width, 1, device="meta")
        self.point = FoldedConv(quarters, like, up.weight.dtype)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, 2H, 2W)."""
        batch, _, height, width = features.shape
        quarters = self.point(features).permute(0, 2, 3, 1).view(batch, height, width, 2, 2, self.width)
        return quarters.transpose(2, 3).reshape(batch, 2 * height, 2 * width, self.width).permute(0, 3, 1, 2)


def _fold(network: Any) -> Any:
    for kind, rule in RULES.items():
        if type(network) is kind:
            return rule(network)
    return _part_by_part(network)


def _part_by_part(network: Any) -> Any:
    twin = copy.copy(network)
    twin._parameters, twin._buffers = dict(network._parameters), dict(network._buffers)
    twin._modules = {name: _fold(child) for name, child in network._modules.items()}
    return twin


def _runs(steps: list[nn.Module]) -> Iterator[nn.Module]:
    """Fold every convolution of a chain with the BatchNorm and the ReLU behind it."""
    place = 0
    while place < len(steps):
        step, behind = steps[place], steps[place + 1 : place + 3]
        place += 1
        if type(step) is Bottleneck and _is_plain_bottleneck(step):
            yield FoldedBottleneck(step, inside=place > 1 and type(steps[place - 2]) is Bottleneck)
            continue
        norm: Any = behind.pop(0) if behind and isinstance(behind[0], nn.BatchNorm2d) else None
        if not is_plain(step, norm):
            yield _fold(step)
            continue
        relu = bool(behind) and isinstance(behind[0], nn.ReLU)
        place += (norm is not None) + relu
        yield folded_conv(step, norm, relu)


def _pyramid(trunk: ResidualPyramid) -> ResidualPyramid:
    twin = _part_by_part(trunk)
    if not is_plain(trunk.conv1, trunk.bn1):
        return twin
    twin._modules |= {
        "conv1": folded_conv(trunk.conv1, trunk.bn1, relu=True),
        "bn1": nn.Identity(),
        "relu": nn.Identity(),
    }
    return twin


def _bottleneck(block: Bottleneck) -> nn.Module:
    return FoldedBottleneck(block) if _is_plain_bottleneck(block) else _part_by_part(block)


def _is_plain_bottleneck(block: Bottleneck) -> bool:
    pairs = ((block.conv1, block.bn1), (block.conv2, block.bn2), (block.conv3, block.bn3))
    return all(is_plain(*pair) for pair in pairs)


def _inception(block: InceptionConv) -> nn.Module:
    convs = [module for module in block.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in block.modules() if isinstance(module, nn.BatchNorm2d)]
    plain = all(map(is_plain, convs)) and all(map(is_fixed, norms))
    return FoldedInceptionConv(block) if plain else _part_by_part(block)


def _conv(conv: nn.Conv2d) -> nn.Module:
    return folded_conv(conv) if is_plain(conv) else conv


def _doubling(up: nn.ConvTranspose2d) -> nn.Module:
    plain = up.kernel_size == up.stride == (2, 2) and up.padding == up.output_padding == (0, 0)
    return FoldedDoubling(up) if plain and up.dilation == (1, 1) and up.groups == 1 else up


def _pool(pool: nn.MaxPool2d) -> nn.Module:
    return SlidingMax(pool) if is_sliding(pool) else pool


RULES: dict[type, Callable[[Any], nn.Module]] = {
    Bottleneck: _bottleneck,
    InceptionConv: _inception,
    ResidualPyramid: _pyramid,
    nn.Sequential: lambda steps: nn.Sequential(*_runs(list(steps))),
    nn.Conv2d: _conv,
    nn.MaxPool2d: _pool,
    nn.ConvTranspose2d: _doubling,
}
