"""A fidelity term and the quality terms beside it, summed and logged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor


def with_terms(
    fidelity: Tensor, terms: Sequence[Any], restored: Tensor, degraded: Tensor, reference: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Add every term to the fidelity term.

    Args:
        fidelity: scalar, computed from this very `restored`.
        terms: our losses.
        restored: (B,3,H,W), nominally in [0,1].
        degraded: (B,3,h,w) in [0,1].
        reference: (B,3,H,W) in [0,1], the clean image.

    Returns:
        The sum, lower is better, and what is logged, without graph: `l_fidelity`, and of each term `l_quality`, its
        contribution to the sum, and `quality_...`, what it says of itself; numbered if there are several.
    """
    total, log = fidelity, {"l_fidelity": fidelity.detach()}
    for index, term in enumerate(terms):
        loss = term(restored, degraded=degraded, reference=reference, fidelity=fidelity)
        total = total + loss
        suffix = f"_{index}" if len(terms) > 1 else ""
        log[f"l_quality{suffix}"] = loss.detach()
        log |= {f"quality_{name}{suffix}": value for name, value in term.log.items()}
    return total, log
