"""What labels are made of: pyiqa's full-reference metrics, and the distance in a restoration teacher's features."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..checkpoints.read import read_weights
from ..data.images import read_image
from ..errors import ImageError, UsageError, nearest
from ..metrics.feature_statistics import TERMS, stages_of, statistics_distance
from ..models.teacher_iqa import RestorationTeacher
from .pyiqa_loss import build_metric
from .saved_networks import SavedNetwork

TEACHER = "teacher_statistics"
LEAST_PX = 32


class Judges:
    """Metrics that compare a restored image with its clean one, by name.

    Args:
        metrics: names of pyiqa's full-reference metrics that need no download.
        teacher: a `TeacherRestorationNet` that a run saved; adds `teacher_statistics`. None for none.

    Attributes:
        higher_is_better: the direction of each.
        families: "pixels" for pyiqa's metrics, "features" for the teacher's.
        identities: what produced each one's scores: name, version and weights.

    Raises:
        UsageError: a metric that is unknown, named twice, compares with nothing or needs a download; pyiqa is not
            installed; a teacher of another type.
        CheckpointError: the teacher's weights are missing, damaged or another network's.
    """

    def __init__(self, metrics: Sequence[str], teacher: SavedNetwork | None) -> None:
        double = [name for name in metrics if list(metrics).count(name) > 1]
        if double or TEACHER in metrics:
            raise UsageError(f"metric {(double or [TEACHER])[0]!r} is named twice; expected each once")
        self._metrics = {name: _full_reference(name) for name in metrics}
        self.higher_is_better = {name: not metric.lower_better for name, metric in self._metrics.items()}
        self.families = dict.fromkeys(metrics, "pixels")
        self.identities = {name: f"{name}, pyiqa {version('pyiqa')}" for name in metrics}
        self._encoder: Any = None
        if teacher is not None:
            self._encoder = _encoder_of(teacher)
            self.higher_is_better[TEACHER] = False
            self.families[TEACHER] = "features"
            self.identities[TEACHER] = f"{TEACHER}, {_identity(teacher)}"
        if not self.families:
            raise UsageError("nothing to label with; expected a metric or a teacher")

    @torch.inference_mode()
    def __call__(self, image: Path, reference: Path, names: Collection[str]) -> dict[str, float]:
        """Compare a file with its clean image, at their own size.

        Args:
            image: the restored one.
            reference: the clean one, of the same size.
            names: of the metrics that are asked for.

        Returns:
            Scores by name, each in its metric's own direction.

        Raises:
            ImageError: a file that cannot be read, sizes that differ or that a metric refuses, a score that is no
                number.
        """
        restored, clean = read_image(image)[None], read_image(reference)[None]
        if restored.shape != clean.shape or min(clean.shape[-2:]) < LEAST_PX:
            sizes = [f"{picture.shape[-2]}x{picture.shape[-1]}" for picture in (restored, clean)]
            raise ImageError(
                f"{image} is {sizes[0]} and its reference {sizes[1]} pixels (HxW); expected the same size, at least "
                f"{LEAST_PX}x{LEAST_PX}; crop or resize one of them"
            )
        found = {name: self._compare(name, restored, clean, image) for name in names}
        odd = [name for name, score in found.items() if not math.isfinite(score)]
        if odd:
            raise ImageError(f"{image}: {odd[0]} is {found[odd[0]]}; expected a number; leave the metric or image out")
        return found

    def _compare(self, name: str, restored: Tensor, clean: Tensor, image: Path) -> float:
        if name == TEACHER:
            stages = [stages_of(picture, self._encoder) for picture in (restored, clean)]
            return statistics_distance(*stages).item()
        try:
            return float(self._metrics[name](restored, clean).item())
        except (RuntimeError, ValueError, AssertionError, IndexError) as error:  # what pyiqa's metrics refuse with
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ImageError(
                f"{image}: {name} refuses its {clean.shape[-2]}x{clean.shape[-1]} pixels (HxW): {reason}; "
                "leave the metric or the image out"
            ) from error


def _full_reference(name: str) -> Any:
    metric = build_metric(name, device=torch.device("cpu"))
    if metric.metric_mode != "FR":
        raise UsageError(f"metric {name!r} looks at the restored image alone; expected a full-reference one, as ssim")
    return metric


def _encoder_of(teacher: SavedNetwork) -> Any:
    kind = teacher.architecture["type"]
    if kind != "TeacherRestorationNet":
        raise UsageError(
            f"{teacher.weights} is of type {kind!r}; {nearest(str(kind), ['TeacherRestorationNet'])}: "
            "recipes/teacher_iqa trains one"
        )
    network = teacher.build()
    if not isinstance(network, RestorationTeacher):
        raise UsageError(f"{kind} is somebody else's type here; expected this package's; import it first")
    return network.encoder


def _identity(teacher: SavedNetwork) -> str:
    options = json.dumps([dict(teacher.architecture), TERMS], sort_keys=True, default=str)
    return hashlib.sha256(f"{read_weights(teacher.weights).sha256} {options}".encode()).hexdigest()[:16]
