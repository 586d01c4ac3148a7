"""Differentiable quality terms: minimising one always means a better picture."""

from .options import (
    ContentVariantQualityLoss,
    DegradedReferenceQualityLoss,
    NoReferenceQualityLoss,
)
from .quality import QualityLoss
from .teacher_feature import TeacherFeatureLoss

__all__ = [
    "ContentVariantQualityLoss",
    "DegradedReferenceQualityLoss",
    "NoReferenceQualityLoss",
    "QualityLoss",
    "TeacherFeatureLoss",
]
