"""Balance at the output: the quality term's share of the fidelity term's gradient is what the user sets."""

from __future__ import annotations

import torch
from torch import Tensor, distributed

from ..errors import UsageError

# Lifts the gradients of a mean over a million half-precision pixels out of the range where they round to zero.
HALF_PRECISION_SCALE = 2.0**16
EPSILON = 1e-12


def gradient_at(restored: Tensor, fidelity: Tensor) -> Tensor:
    """The gradient of a fidelity term at the restored image; nothing behind the image is visited.

    Args:
        restored: (B,3,H,W), what the fidelity term was computed on.
        fidelity: a scalar.

    Returns:
        (B,3,H,W), float32, no graph.

    Raises:
        UsageError: the term was not computed from this image, or not a scalar.
    """
    if fidelity.ndim != 0:
        raise UsageError(f"fidelity has shape {tuple(fidelity.shape)}; expected a scalar; reduce it with mean or sum")
    scale = HALF_PRECISION_SCALE if restored.dtype == torch.float16 else 1.0
    found = None
    if fidelity.requires_grad and restored.requires_grad:
        (found,) = torch.autograd.grad(fidelity * scale, restored, retain_graph=True, allow_unused=True)
    if found is None:
        raise UsageError(
            "the fidelity term does not depend on this restored image; expected a term computed from the same tensor, "
            "such as fidelity=l1(restored, reference) beside loss(restored, ...)"
        )
    return found.float() / scale


class Balance:
    """The factor that keeps the quality term's gradient at `ratio` times the fidelity term's, smoothed.

        factor = ratio * smoothed(||fidelity gradient|| / ||quality gradient||)

    Norms run over the whole batch, over all processes where there are several. A batch without a quality gradient
    (all at their ceiling) leaves the factor as it was.

    Args:
        ratio: of the norms, above zero.
        momentum: of the exponential average over iterations, in [0,1); the first measurement stands alone.
    """

    def __init__(self, ratio: float, momentum: float = 0.9) -> None:
        if isinstance(ratio, bool) or not isinstance(ratio, (int, float)):
            raise UsageError(f"balance={ratio!r}; expected a number, such as 0.1")
        if not ratio > 0:
            raise UsageError(f"balance={ratio}; expected a ratio above 0, such as 0.1")
        if not 0 <= momentum < 1:
            raise UsageError(f"balance_momentum={momentum}; expected at least 0 and below 1")
        self.ratio, self.momentum = ratio, momentum
        self.smoothed: Tensor | None = None

    def factor(self, fidelity_gradient: Tensor, quality_gradient: Tensor) -> Tensor:
        """Measure both gradients (B,3,H,W), update the average, and give the factor, a scalar without graph."""
        squares = torch.stack([fidelity_gradient.square().sum(), quality_gradient.square().sum()])
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(squares)
        fidelity_norm, quality_norm = squares.sqrt()
        measured = fidelity_norm / quality_norm.clamp_min(EPSILON)
        previous = torch.ones_like(measured) if self.smoothed is None else self.smoothed.to(measured)
        updated = measured if self.smoothed is None else previous.lerp(measured, 1 - self.momentum)
        usable = (quality_norm > EPSILON) & measured.isfinite()
        factor = torch.where(usable, updated, previous)
        if self.smoothed is not None or bool(usable):
            self.smoothed = factor
        return self.ratio * factor
