"""Blind, degraded-reference and content-variant image quality as scorers, losses and metrics for restoration training.

import ir_quality_plugin as irq

scorer = irq.load_scorer("ckdn-s")
score = scorer(restored, degraded)  # (B,), higher is better, differentiable in `restored`
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .catalog import list_scorers, load_scorer, load_teacher
    from .checkpoints.initialise import initialise_from_imagenet
    from .errors import CheckpointError, ImageError, MissingInputError, QualityPluginError, UsageError
    from .integrations.pyiqa_loss import PyiqaLoss
    from .integrations.register import register
    from .losses import (
        ContentVariantQualityLoss,
        DegradedReferenceQualityLoss,
        NoReferenceQualityLoss,
        QualityLoss,
        TeacherFeatureLoss,
    )
    from .models import CKDN, CVRKD, RestorationTeacher, TeacherIQAStudent
    from .models.card import Card
    from .scorers import Scorer

# Each public name and the module that is imported when it is first used.
_HOMES = {
    "list_scorers": "catalog",
    "load_scorer": "catalog",
    "load_teacher": "catalog",
    "initialise_from_imagenet": "checkpoints.initialise",
    "CheckpointError": "errors",
    "ImageError": "errors",
    "MissingInputError": "errors",
    "QualityPluginError": "errors",
    "UsageError": "errors",
    "ContentVariantQualityLoss": "losses",
    "DegradedReferenceQualityLoss": "losses",
    "NoReferenceQualityLoss": "losses",
    "QualityLoss": "losses",
    "TeacherFeatureLoss": "losses",
    "CKDN": "models",
    "CVRKD": "models",
    "RestorationTeacher": "models",
    "TeacherIQAStudent": "models",
    "Card": "models.card",
    "Scorer": "scorers",
    "PyiqaLoss": "integrations.pyiqa_loss",
    "register": "integrations.register",
}

__all__ = [
    "CKDN",
    "CVRKD",
    "Card",
    "CheckpointError",
    "ContentVariantQualityLoss",
    "DegradedReferenceQualityLoss",
    "ImageError",
    "MissingInputError",
    "NoReferenceQualityLoss",
    "PyiqaLoss",
    "QualityLoss",
    "QualityPluginError",
    "RestorationTeacher",
    "Scorer",
    "TeacherFeatureLoss",
    "TeacherIQAStudent",
    "UsageError",
    "__version__",
    "initialise_from_imagenet",
    "list_scorers",
    "load_scorer",
    "load_teacher",
    "register",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
