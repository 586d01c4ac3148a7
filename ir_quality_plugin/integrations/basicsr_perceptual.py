"""Our losses in the `perceptual_opt` of a stock BasicSR model, which expects a pair from its perceptual criterion."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..errors import UsageError
from ..losses import DegradedReferenceQualityLoss
from .options import LOSSES, build_term


class PerceptualTerm(nn.Module):
    """A loss of ours as BasicSR's perceptual criterion: of the restored and the clean image it makes (term, None).

    Args:
        options: of the loss, as in the option file.

    Raises:
        UsageError: an unknown key, or a loss that needs more than a stock model hands to a criterion.
    """

    kind: type[nn.Module]

    def __init__(self, **options: Any) -> None:
        super().__init__()
        name = self.kind.__name__
        if issubclass(self.kind, DegradedReferenceQualityLoss):
            raise UsageError(
                f"{name} judges against the degraded input, which a stock model does not hand to its losses; expected "
                "model_type: QualitySRModel (or QualitySRGANModel, QualityESRGANModel, QualityRealESRGANModel) and the "
                "loss in train.quality_opt"
            )
        self.term: Any = build_term({"type": name, **options}, "train.perceptual_opt")
        beyond = sorted(self.term.needs - {"reference"})
        if beyond:
            raise UsageError(
                f"train.perceptual_opt: {name} needs {' and '.join(beyond)}, which a stock model does not hand to its "
                "losses; expected it in train.quality_opt of one of our models"
            )

    def forward(self, restored: Tensor, reference: Tensor) -> tuple[Tensor, None]:
        """Give (term, no style term)."""
        return self.term(restored, reference=reference), None


PERCEPTUAL_TERMS = {
    name: type(name, (PerceptualTerm,), {"kind": kind, "__doc__": kind.__doc__}) for name, kind in LOSSES.items()
}
