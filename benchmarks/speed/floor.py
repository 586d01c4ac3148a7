"""What a machine can do at most, and what a network asks of it: operations and bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from .clock import Call, Clock

MATRIX_SIDE, COPIED_BYTES, ROUNDS = 2048, 2**28, 9
# What reads and writes maps where everything else is fused into it.
LAYERS = ("convolution", "mm", "addmm", "bmm")


@torch.inference_mode()
def floor(clock: Clock) -> dict[str, dict[str, float]]:
    """The most that the machine does a second.

    Returns:
        By precision, operations of a 2048-cube matrix product and of a 3x3 convolution of 128 channels: the better one
        is the floor, since on some processors the library of matrix products is the slower one. Under "memory",
        bytes that a copy of 256 MiB reads and writes.
    """
    found: dict[str, dict[str, float]] = {}
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        matrix = torch.randn(MATRIX_SIDE, MATRIX_SIDE, device=clock.device).to(dtype)
        features = torch.randn(8, 128, 36, 36, device=clock.device).to(dtype).to(memory_format=torch.channels_last)
        weight = torch.randn(128, 128, 3, 3, device=clock.device).to(dtype).to(memory_format=torch.channels_last)
        calls = {"matrix": _product(matrix), "convolution": _convolution(features, weight)}
        taken = clock.interleaved(calls, ROUNDS)
        found[precision] = {name: operations(call) / taken[name]["least_s"] for name, call in calls.items()}
    one, other = (torch.zeros(COPIED_BYTES, dtype=torch.uint8, device=clock.device) for _ in range(2))
    copied = clock.interleaved({"copy": lambda: one.copy_(other)}, ROUNDS)["copy"]["least_s"]
    return found | {"memory": {"copy": 2 * COPIED_BYTES / copied}}


def _product(matrix: Tensor) -> Call:
    return lambda: matrix @ matrix


def _convolution(features: Tensor, weight: Tensor) -> Call:
    return lambda: functional.conv2d(features, weight, padding=1)


def operations(work: Call) -> int:
    """Floating point operations of matrix products and convolutions; a multiplication and an addition are two."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def traffic(work: Call) -> int:
    """Bytes that the convolutions and matrix products read and write, were all else fused into them."""
    with _Traffic() as counter:
        work()
    return counter.total


class _Traffic(TorchDispatchMode):
    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name.removesuffix("_backward") in LAYERS:
            given = result if isinstance(result, (tuple, list)) else (result,)
            read = _read_backwards(args) if name == "convolution_backward" else args
            self.total += sum(tensor.nbytes for tensor in (*read, *given) if isinstance(tensor, Tensor))
        return result


def _read_backwards(args: Any) -> tuple[Any, ...]:
    """What a convolution's gradient reads: its input for the weights' gradient alone, the weights for the input's."""
    gradient, given, weight, *_, wanted = args
    return gradient, *([weight] if wanted[0] else []), *([given] if wanted[1] else [])


def least_seconds(found: dict[str, Any], asked: dict[str, int], precision: str, device: str) -> float:
    """The least time for what is asked: of the operations, and on a GPU of the bytes, whichever is longer.

    A CPU's caches hold most maps between two layers, so bytes are no floor there.
    """
    computing = asked["operations"] / max(found[precision].values())
    if device != "cuda":
        return computing
    moved = asked["bytes_fp32"] / (2 if precision == "bf16" else 1)
    return max(computing, moved / found["memory"]["copy"])


def asked_of(work: Callable[[], Any]) -> dict[str, int]:
    """Operations and bytes of a call, on tensors without values."""
    return {"operations": operations(work), "bytes_fp32": traffic(work)}
