"""Scores of a batch in pieces, each with its gradient before the next begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def rowwise(score: Callable[..., Tensor], at_once: int, *rows: Tensor) -> Tensor:
    """Score rows in pieces: memory is that of one piece, gradient included.

    Where rows take a gradient, each piece goes backwards as soon as it is scored, while what it computed is still in
    the processor's cache; the graph is given finished gradients. A batch of no more than one piece is scored as it is.

    Args:
        score: maps rows to scores (N,), each of its own row alone; without a gradient also to features (N,D).
        at_once: most rows of a piece.
        rows: tensors of N rows each.

    Returns:
        (N,) or (N,D); gradients reach every tensor of rows that takes one, and are not differentiable again.
    """
    if len(rows[0]) <= at_once:
        return score(*rows)
    takes_gradient = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in rows)
    if takes_gradient and not torch.compiler.is_compiling():
        return _Rowwise.apply(score, at_once, *rows)
    return torch.cat([score(*piece) for piece in zip(*(tensor.split(at_once) for tensor in rows), strict=True)])


class _Rowwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, score: Callable[..., Tensor], at_once: int, *rows: Tensor) -> Tensor:
        wanted = ctx.needs_input_grad[2:]
        gradients = [torch.empty_like(tensor) for tensor, wants in zip(rows, wanted, strict=True) if wants]
        scores = []
        for start in range(0, len(rows[0]), at_once):
            piece = [
                tensor[start : start + at_once].detach().requires_grad_(wants)
                for tensor, wants in zip(rows, wanted, strict=True)
            ]
            with torch.enable_grad():
                found = score(*piece)
                total = found.sum()
            leaves = [tensor for tensor in piece if tensor.requires_grad]
            for whole, part in zip(gradients, torch.autograd.grad(total, leaves), strict=True):
                whole[start : start + at_once] = part
            scores.append(found.detach())
        ctx.save_for_backward(*gradients)
        return torch.cat(scores)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        gradients = iter(ctx.saved_tensors)
        reached: list[Tensor | None] = [None, None]
        for wants in ctx.needs_input_grad[2:]:
            gradient = next(gradients) if wants else None
            reached.append(
                None
                if gradient is None
                else upstream.to(gradient.dtype).view(-1, *[1] * (gradient.ndim - 1)) * gradient
            )
        return tuple(reached)
