"""The formulas of the quality term, as pure functions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

REDUCTIONS = ("none", "mean", "sum")


def shortfall(score: Tensor, score_range: tuple[float, float], ceiling: Tensor | float | None = None) -> Tensor:
    """How far scores stay below the best, or below a ceiling, in units of the scorer's range.

        without a ceiling:  (highest - score) / (highest - lowest)
        with a ceiling:     max(ceiling - score, 0) / (highest - lowest)

    Args:
        score: (B,), higher is better.
        score_range: (lowest, highest) of the scorer, nominal or bounded.
        ceiling: a score, or (B,) scores, at which the term stops paying; None for no bound.

    Returns:
        (B,), lower is better; gradients reach `score`, and none where it has reached its ceiling.
    """
    lowest, highest = score_range
    missing = highest - score if ceiling is None else torch.relu(ceiling - score)
    return missing / (highest - lowest)


def reduce(term: Tensor, reduction: str) -> Tensor:
    """Reduce (B,) to (B,), its mean or its sum, as torch's losses do."""
    if reduction == "none":
        return term
    return term.mean() if reduction == "mean" else term.sum()


def inside(restored: Tensor) -> Tensor:
    """Clamp to [0,1] with a gradient that never pushes a pixel further out, and always may bring it back.

    A plain clamp cuts every gradient outside of the range; a straight-through one drives pixels away.

    Args:
        restored: (B,3,H,W), any finite value.

    Returns:
        (B,3,H,W) in [0,1].
    """
    return _Inside.apply(restored)


class _Inside(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, restored: Tensor) -> Tensor:
        ctx.save_for_backward(restored)
        return restored.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (restored,) = ctx.saved_tensors
        # A step goes against the gradient: below 0 it may only rise, above 1 only fall.
        outwards = ((restored < 0) & (gradient > 0)) | ((restored > 1) & (gradient < 0))
        return gradient.masked_fill(outwards, 0)


def with_gradient(restored: Tensor, term: Tensor, gradient: Tensor) -> Tensor:
    """Give a term computed apart from the graph its gradient at the restored image.

    Args:
        restored: (B,3,H,W), in the graph.
        term: (B,), each sample's own term.
        gradient: (B,3,H,W), of each sample's term by its image.

    Returns:
        (B,), equal to `term`, whose backward costs one product.
    """
    return _WithGradient.apply(restored, term, gradient)


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, restored: Tensor, term: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        ctx.dtype = restored.dtype
        return term.clone()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        # In full precision up to here: a GradScaler has put its scale into `upstream`.
        return (upstream.view(-1, 1, 1, 1) * gradient).to(ctx.dtype), None, None
