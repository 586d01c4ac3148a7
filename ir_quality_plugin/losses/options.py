"""The losses by the names that option files use, one for each kind of reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from ..data.reference_bank import ReferenceBank
from ..errors import UsageError
from ..scorers import Scorer
from .quality import QualityLoss


def _check_kind(loss: QualityLoss, kind: str) -> None:
    card = loss.scorer.card
    if card.reference != kind:
        other = {"none": "NoReferenceQualityLoss", "degraded": "DegradedReferenceQualityLoss"}.get(
            card.reference, "ContentVariantQualityLoss"
        )
        raise UsageError(
            f"{type(loss).__name__} was given {card.name}, which judges against {card.reference}; use {other}"
        )


class NoReferenceQualityLoss(QualityLoss):
    """A blind quality term; TeacherIQA unless another scorer is named.

    Args:
        scorer: a name of the catalogue, or a loaded `Scorer` that needs no reference.
        options: of `QualityLoss`.

    Raises:
        UsageError: the scorer judges against something.

    Source: TeacherIQA; deviation: the paper assesses, this optimises.
    """

    def __init__(self, scorer: str | Scorer = "teacheriqa-s", **options: Any) -> None:
        super().__init__(scorer, **options)
        _check_kind(self, "none")


class DegradedReferenceQualityLoss(QualityLoss):
    """A quality term against the degraded input; CKDN unless another scorer is named.

    Args:
        scorer: a name of the catalogue, or a loaded `Scorer` that judges against the degraded input.
        options: of `QualityLoss`.

    Raises:
        UsageError: the scorer judges against something else.

    Source: CKDN; deviation: the paper assesses, this optimises.
    """

    def __init__(self, scorer: str | Scorer = "ckdn-s", **options: Any) -> None:
        super().__init__(scorer, **options)
        _check_kind(self, "degraded")


class ContentVariantQualityLoss(QualityLoss):
    """A quality term against clean images of any content, drawn from a folder; CVRKD unless another scorer is named.

    The n-th call with a seed always draws the same image. A `reference` that is given to `forward` is the clean image
    of the same content and serves the ceiling alone.

    Args:
        references: folder of clean images, each at least 32 px.
        scorer: a name of the catalogue, or a loaded `Scorer` that judges against any clean image.
        options: of `QualityLoss`; `seed` also draws the references.

    Raises:
        UsageError: the folder holds no image, or the scorer judges against something else.

    Source: CVRKD-IQA; deviation: the paper assesses, this optimises.
    """

    def __init__(self, references: str | Path, scorer: str | Scorer = "cvrkd-s", **options: Any) -> None:
        super().__init__(scorer, **options)
        _check_kind(self, "any-clean")
        self.bank = ReferenceBank(references, self.augment.seed)

    @property
    def needs(self) -> set[str]:
        """The arguments that `forward` must be given: the bank provides the scorer's reference."""
        return super().needs - (set() if self.ceiling == "reference" else {"reference"})

    def _against(self, shown: dict[str, Tensor]) -> dict[str, Tensor]:
        restored = shown["restored"]
        return {"reference": self.bank.draw(self.calls).to(restored)}
