"""What spoils pictures: operators with named units and five levels, and pipelines of them that can be replayed."""

from .operators import OPERATORS, Operator
from .pipeline import Degrader, Step, degrade

__all__ = ["OPERATORS", "Degrader", "Operator", "Step", "degrade"]
