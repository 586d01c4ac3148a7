"""The three methods' networks, one file a figure, and the cards that describe their weights."""

from .ckdn import CKDN
from .cvrkd import CVRKD
from .teacher_iqa import RestorationTeacher, TeacherIQAStudent

__all__ = ["CKDN", "CVRKD", "RestorationTeacher", "TeacherIQAStudent"]
