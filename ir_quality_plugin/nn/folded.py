"""Frozen convolutions with their BatchNorm, ReLU and residual sum in one step, forwards and backwards.

The model files stay as the papers draw them. `fold` (in `fold.py`) gives a copy of a frozen network that computes the
same with these modules, in fewer passes over memory; the network keeps its own values as they were released.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

# oneDNN's convolution with a ReLU and a sum inside: what torch.compile emits for a CPU.
_ONEDNN = torch.ops.mkldnn
_OPERATORS = ("_convolution_pointwise", "_convolution_pointwise_", "_reorder_convolution_weight")
_FUSED = all(hasattr(_ONEDNN, operator) for operator in _OPERATORS)
# Of an input: above, oneDNN's gradient of a strided convolution is the faster one.
FEW_CHANNELS = 4
# oneDNN refuses bfloat16 on a processor without AVX-512 or AVX-NE-CONVERT, where torch's own operators compute it.
_HAS_BFLOAT16 = hasattr(_ONEDNN, "_is_mkldnn_bf16_supported") and _ONEDNN._is_mkldnn_bf16_supported()
# A precision, and which operator the weights are laid out for.
Way = tuple[torch.dtype, str]
_PRECISIONS = (torch.float32, torch.bfloat16) if _HAS_BFLOAT16 else (torch.float32,)


class Kernel(NamedTuple):
    """A convolution's weight (C_out, C_in / groups, h, w) and bias (C_out,), BatchNorm folded in; float64 when made."""

    weight: Tensor
    bias: Tensor


def is_plain(conv: Any, norm: Any = None) -> bool:
    """Whether `FoldedConv` computes what a convolution does, and what the BatchNorm behind it; None for none.

    It does without dilation, with zeros around the features, the same on both sides and fewer than the kernel is wide.
    With one output channel at one place, oneDNN mixes up the images of a batch (torch 2.14).
    """
    if type(conv) is not nn.Conv2d or conv.dilation != (1, 1) or conv.out_channels == 1:
        return False
    if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        return False
    narrow = all(given < side for given, side in zip(conv.padding, conv.kernel_size, strict=True))
    return narrow and (norm is None or is_fixed(norm))


def is_fixed(norm: Any) -> bool:
    """Whether a normalisation is the same factor and shift for every image, as `fold_norm` takes it."""
    return type(norm) is nn.BatchNorm2d and norm.running_var is not None and norm.affine


def fold_norm(conv: nn.Conv2d, norm: Any = None, channels: slice = slice(None)) -> Kernel:
    """Fold a BatchNorm of fixed statistics into the convolution before it.

    Args:
        conv: the convolution.
        norm: the BatchNorm behind it, with running statistics; None for none.
        channels: of the BatchNorm, where it also normalises other maps beside this one's.
    """
    with torch.no_grad():
        bias = conv.weight.new_zeros(len(conv.weight)) if conv.bias is None else conv.bias
        if norm is None:
            return Kernel(conv.weight.double(), bias.double())
        scale = norm.weight[channels].double() * (norm.running_var[channels].double() + norm.eps).rsqrt()
        shifted = (bias - norm.running_mean[channels].double()) * scale + norm.bias[channels].double()
        return Kernel(conv.weight * scale.view(-1, 1, 1, 1), shifted)


class FoldedConv(nn.Module):
    """`relu(batchnorm(conv(features)) + residual)` with frozen weights, as one convolution.

    On a CPU it runs in oneDNN with weights that are laid out once, the gradient at the features too; elsewhere, and in
    float64, in torch's own operators.

    Args:
        kernel: gives weight and bias; asked whenever they are laid out anew, so that they are kept in that form alone.
        like: the convolution that it comes from: its stride, padding and groups.
        dtype: to compute in where autocast is off; features are brought to it.
        relu: whether a ReLU ends it.
    """

    def __init__(self, kernel: Callable[[], Kernel], like: nn.Conv2d, dtype: torch.dtype, relu: bool = False) -> None:
        super().__init__()
        self.kernel, self.shape, self.dtype = kernel, kernel().weight.shape, dtype
        self.stride, self.groups, self.relu = like.stride, like.groups, relu
        self.padding = like.padding if isinstance(like.padding, tuple) else (0, 0)
        self.training = False
        self._laid_out: dict[Way, Kernel] = {}
        self._shapes: dict[Way, Sequence[int]] = {}

    def forward(self, features: Tensor, residual: Tensor | None = None, over: bool = False) -> Tensor:
        """Map (B,C,H,W), and a residual of the output's shape, to the convolution's output; gradients reach both.

        Args:
            features: the convolution's input.
            residual: is added to the convolution.
            over: whether the output may be written over the residual, which nobody reads again; without a graph it is.
        """
        dtype = precision(features, self.dtype)
        features = features.to(dtype)
        residual = None if residual is None else residual.to(dtype)
        if not (_FUSED and features.device.type == "cpu" and dtype in _PRECISIONS):
            return self.plainly(features, residual)
        if torch.is_grad_enabled() and (features.requires_grad or (residual is not None and residual.requires_grad)):
            return _Fused.apply(features, residual, self)
        return self.run(features, residual, over)

    def plainly(self, features: Tensor, residual: Tensor | None) -> Tensor:
        """Compute with torch's own differentiable operators."""
        weight, bias = self._laid(features.dtype, "plain", features.shape)
        output = functional.conv2d(features, weight, bias, self.stride, self.padding, 1, self.groups)
        output = output if residual is None else output + residual
        return output.relu() if self.relu else output

    def run(self, features: Tensor, residual: Tensor | None, over: bool = False) -> Tensor:
        """Compute with oneDNN, without a graph; over the residual, if that is allowed."""
        features = features.contiguous(memory_format=torch.channels_last)
        weight, bias = self._laid(features.dtype, "forwards", features.shape)
        place = (self.padding, self.stride, (1, 1), self.groups)
        if residual is None:
            return _ONEDNN._convolution_pointwise(
                features, weight, bias, *place, "relu" if self.relu else "none", [], ""
            )
        if self.groups > 1:
            # Which torch does not fuse, and refuses in bfloat16.
            output = _ONEDNN._convolution_pointwise(features, weight, bias, *place, "none", [], "").add_(residual)
            return output.relu_() if self.relu else output
        residual = residual.contiguous(memory_format=torch.channels_last)
        then: tuple[Any, ...] = ("add", 1.0, "relu" if self.relu else None, [], "")
        if over:
            return _ONEDNN._convolution_pointwise_.binary(residual, features, weight, bias, *place, *then)
        return _ONEDNN._convolution_pointwise.binary(features, residual, weight, bias, *place, *then)

    def lay_out_back(self, features: Tensor) -> tuple[str, Tensor]:
        """Lay the weights out for features forwards and, from the same moment, for the gradient at them.

        Returns:
            The way that the gradient is computed, and the weight for it.
        """
        sides = zip(features.shape[-2:], self.shape[-2:], self.padding, self.stride, strict=True)
        rows = [(side + 2 * given - kernel) // stride + 1 for side, kernel, given, stride in sides]
        shape = (len(features), self.shape[0], *rows)
        way = self._way_back(features.shape, shape)
        wanted: dict[Way, Sequence[int]] = {
            (features.dtype, "forwards"): features.shape,
            (features.dtype, way): shape,
        }
        if not wanted.keys() <= self._laid_out.keys():
            self._lay_out(wanted)
        return way, self._laid_out[features.dtype, way].weight

    def run_back(self, gradient: Tensor, shape: torch.Size, way: str, weight: Tensor) -> Tensor:
        """The gradient at features of `shape`, from the one at the convolution's output; see `lay_out_back`."""
        if way == "backwards" and self.stride == (1, 1):
            return _ONEDNN._convolution_pointwise(
                gradient, weight, None, self._padding_back(), (1, 1), (1, 1), self.groups, "none", [], ""
            )
        if way == "backwards":
            found = gradient.new_zeros(shape).contiguous(memory_format=torch.channels_last)
            found[..., :: self.stride[0], :: self.stride[1]] = _ONEDNN._convolution_pointwise(
                gradient, weight, None, (0, 0), (1, 1), (1, 1), self.groups, "none", [], ""
            )
            return found
        if way == "by phases":
            phases = self._phases()
            found = _ONEDNN._convolution_pointwise(
                gradient, weight, None, (phases.padding,) * 2, (1, 1), (1, 1), 1, "none", [], ""
            )
            return phases.interleave(found, shape)
        return torch.ops.aten.convolution_backward(
            gradient, gradient.new_empty(1).expand(shape), weight, None, self.stride, self.padding, (1, 1), False,
            (0, 0), self.groups, (True, False, False),
        )[0]  # fmt: skip

    def _way_back(self, shape: Sequence[int], output_shape: Sequence[int]) -> str:
        # The gradient of a convolution is one: weights mirrored, inputs and outputs exchanged.
        if self.stride == (1, 1) or (self.shape[-2:] == (1, 1) and self.padding == (0, 0)):
            return "backwards"
        few = self.shape[1] <= FEW_CHANNELS and self.groups == 1
        return "by phases" if few and self._phases().fit(self, shape, output_shape) else "plain"

    def _phases(self) -> Phases:
        return Phases(self.shape[-1], self.stride[0], self.padding[0])

    def _padding_back(self) -> tuple[int, ...]:
        return tuple(side - 1 - given for side, given in zip(self.shape[-2:], self.padding, strict=True))

    def _laid(self, dtype: torch.dtype, way: str, shape: Sequence[int]) -> Kernel:
        """Weight and bias in a precision, as an operator likes them best; made at the first call."""
        if (dtype, way) not in self._laid_out:
            self._lay_out({(dtype, way): shape})
        return self._laid_out[dtype, way]

    def _lay_out(self, ways: dict[Way, Sequence[int]]) -> None:
        """Lay the weights out for more operators, and for the former ones anew: all are from the same moment."""
        self._shapes |= ways
        # Not as tensors of inference mode, which no later graph could hold.
        with torch.inference_mode(False), torch.no_grad():
            exact = self.kernel()
            self._laid_out = {way: self._lay(exact, *way, shape) for way, shape in self._shapes.items()}

    def _lay(self, exact: Kernel, dtype: torch.dtype, way: str, shape: Sequence[int]) -> Kernel:
        weight, padding, stride = exact.weight.to(dtype), self.padding, self.stride
        if way == "backwards":
            weight = weight.unflatten(0, (self.groups, -1)).transpose(1, 2).flatten(0, 1).flip(2, 3)
            padding, stride = self._padding_back(), (1, 1)
        elif way == "by phases":
            phases = self._phases()
            weight, padding, stride = phases.split(weight), (phases.padding,) * 2, (1, 1)
        weight = weight.contiguous(memory_format=torch.channels_last)
        if way != "plain":
            weight = _ONEDNN._reorder_convolution_weight(weight, padding, stride, (1, 1), self.groups, list(shape))
        return Kernel(weight, exact.bias.to(dtype))


def folded_conv(conv: Any, norm: Any = None, relu: bool = False, channels: slice = slice(None)) -> FoldedConv:
    """A convolution with the BatchNorm behind it (see `fold_norm`), and a ReLU."""
    return FoldedConv(partial(fold_norm, conv, norm, channels), conv, conv.weight.dtype, relu)


class Phases:
    """The gradient at the input of a strided convolution as one convolution of stride 1.

    Of a stride s, every s-th row of the input answers to the same taps of the kernel. One convolution over the outputs'
    gradient gives all s x s kinds of pixels as channels, to be interleaved: with few input channels several times
    faster than oneDNN's own.

    Args:
        side: of the square kernel.
        stride: the same in both directions.
        padding: the same on all sides.
    """

    def __init__(self, side: int, stride: int, padding: int) -> None:
        # Row `stride * u + phase` of the input meets tap `phase + padding - stride * d` in row `u + d` of the output.
        self.side, self.stride, self.offset = side, stride, padding
        self.first = -((side - 1 - padding) // stride)
        last = (stride - 1 + padding) // stride
        self.length = last - self.first + 1
        self.padding = max(-self.first, last)

    def fit(self, conv: FoldedConv, shape: Sequence[int], output_shape: Sequence[int]) -> bool:
        """Whether a convolution is square, and its output answers for every pixel of an input of `shape`."""
        square = conv.shape[-2] == self.side and conv.stride[1] == self.stride
        needed = (-(-side // self.stride) + self.padding + self.first for side in shape[-2:])
        given = (side + 2 * self.padding - self.length + 1 for side in output_shape[-2:])
        return square and conv.padding[1] == self.offset and all(n <= g for n, g in zip(needed, given, strict=True))

    def split(self, weight: Tensor) -> Tensor:
        """Map a kernel (C_out, C_in, side, side) to (C_in * stride^2, C_out, length, length)."""
        taps = [
            [phase + self.offset - self.stride * (self.first + place) for place in range(self.length)]
            for phase in range(self.stride)
        ]
        index = torch.tensor(taps, device=weight.device)
        inside = (index >= 0) & (index < self.side)
        index = index.clamp(0, self.side - 1)
        # C_out, C_in, phase, place (rows), phase, place (columns)
        chosen = weight[:, :, index][..., index] * inside[:, :, None, None] * inside
        return chosen.permute(1, 2, 4, 0, 3, 5).flatten(0, 2)

    def interleave(self, found: Tensor, shape: Sequence[int]) -> Tensor:
        """Map the convolution's output to the gradient (B, C_in, H, W) of `shape`."""
        start = self.padding + self.first
        rows, columns = (-(-side // self.stride) for side in shape[-2:])
        found = found[..., start : start + rows, start : start + columns]
        return functional.pixel_shuffle(found, self.stride)[..., : shape[-2], : shape[-1]]


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, residual: Tensor | None, conv: FoldedConv) -> Tensor:
        ctx.conv, ctx.shape = conv, features.shape
        # In the graph, so that a change of the weights leaves it with those that it was computed with.
        ctx.back = conv.lay_out_back(features) if ctx.needs_input_grad[0] else None
        output = conv.run(features, residual)
        ctx.save_for_backward(*((output,) if conv.relu else ()))
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        if ctx.conv.relu:
            gradient = torch.ops.aten.threshold_backward(gradient, *ctx.saved_tensors, 0)
        below = ctx.conv.run_back(gradient, ctx.shape, *ctx.back) if ctx.back else None
        return below, gradient if ctx.needs_input_grad[1] else None, None


def precision(features: Tensor, weights: torch.dtype) -> torch.dtype:
    """What a layer computes in: autocast's type where it is on, else its weights'."""
    kind = features.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weights
