"""Frozen networks behind one contract: images in [0,1] go in, a score an image comes out."""

from .ckdn import CKDNScorer
from .cvrkd import CVRKDScorer
from .scorer import Scorer
from .teacher_iqa import TeacherIQAScorer

__all__ = ["CKDNScorer", "CVRKDScorer", "Scorer", "TeacherIQAScorer"]
