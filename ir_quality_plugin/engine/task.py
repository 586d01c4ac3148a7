"""What the loop asks of whatever is trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .experiment import Experiment
from .parts import Parts
from .step import Step
from .validation import Validation


class Task(ABC):
    """Something to train: its parts, its step, and how it is validated.

    Attributes:
        parts: what is trained.
        step: that trains it.
        higher: whether higher is better, by metric.
        best_by: the metric by which the best network is kept; None to keep none.
        validates: whether there is anything to compute in a validation.
        asked: whether the run is to stop; a validation ends at once then.
    """

    parts: Parts
    step: Step
    higher: dict[str, bool]
    best_by: str | None
    validates: bool
    asked: Callable[[], bool] = staticmethod(lambda: False)

    @abstractmethod
    def batch(self, sample: dict[str, Any]) -> Any:
        """Bring a sample of the dataset to the device."""

    @abstractmethod
    def validate(self, dataset: Any, name: str, iteration: int, pictures: Path) -> Validation:
        """Judge the network on every image of a set; the same on every process.

        Raises:
            Interrupted: a process was asked to stop.
        """

    def check(self, datasets: Mapping[str, Any]) -> None:
        """Refuse sets that do not go together, once they are built.

        Raises:
            UsageError: says which, and why.
        """
        return

    def finish(self, experiment: Experiment, datasets: Mapping[str, Any]) -> tuple[list[Validation], list[str]]:
        """Do what comes after the last iteration, on every process.

        Returns:
            What was found on sets that are looked at once, and lines to say.
        """
        return [], []
