"""A pyiqa metric on one image: what it needs and its direction are known before it is built."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import torch
from torch import Tensor

from ..errors import ImageError, UsageError, nearest
from .pyiqa_loss import build_metric

# They compare sets of images, not images.
OF_SETS = ("fid", "sfid", "fid_dinov2", "inception_score")


def pyiqa_needs(name: str) -> str | None:
    """What a pyiqa metric cannot do without beside the image: "reference" or None; nothing is built.

    Raises:
        UsageError: pyiqa is not installed, has no such metric, or it is not one of single images.
    """
    try:
        from pyiqa.default_model_configs import DEFAULT_CONFIGS
    except ImportError as error:
        raise UsageError("pyiqa is not installed; pip install 'ir-quality-plugin[pyiqa]'") from error
    if name not in DEFAULT_CONFIGS:
        raise UsageError(f"pyiqa has no metric {name!r}; {nearest(name, DEFAULT_CONFIGS)}")
    if name in OF_SETS:
        raise UsageError(f"pyiqa's {name} compares sets of images; expected a metric of single images, such as ssim")
    return "reference" if DEFAULT_CONFIGS[name]["metric_mode"] == "FR" else None


class PyiqaImageMetric:
    """A pyiqa metric, built once, that scores one image at a time.

    Args:
        name: as pyiqa lists it.
        device: where to compute.

    Raises:
        UsageError: no such metric, or weights that are not at hand.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self.name, self.needs = name, pyiqa_needs(name)
        with contextlib.redirect_stdout(sys.stderr):  # pyiqa announces what it builds and downloads
            self._metric: Any = build_metric(name, device=device)
        self.higher_is_better = not self._metric.lower_better
        self.score_range = str(self._metric.score_range or "")

    def __call__(self, restored: Tensor, reference: Tensor | None = None) -> float:
        """Score (1,3,H,W) in [0,1], against a reference of the same shape where it needs one; in its own direction.

        Raises:
            ImageError: the metric cannot score this image.
        """
        images = (restored,) if reference is None or self.needs is None else (restored, reference)
        try:
            score = self._metric(*images)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # of anybody's code: whatever it raises concerns this image alone
            if "can't allocate memory" in str(error):  # a CPU's allocator raises no type of its own
                raise
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ImageError(
                f"pyiqa's {self.name} cannot score {restored.shape[-2]}x{restored.shape[-1]} pixels ({said}); it may "
                "need a larger image"
            ) from error
        return float((score[0] if isinstance(score, tuple) else score).mean())
