"""Our scorers and pyiqa's metrics behind one call, each with its direction and what it cannot do without."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..catalog import load_scorer
from ..errors import ImageError, MissingInputError, UsageError
from ..nn.pixels import check_images
from ..scorers.frozen import Frozen
from .pyiqa_loss import build_metric

# They compare sets of images, not one with another.
OF_SETS = ("fid", "sfid", "fid_dinov2", "inception_score")


class Metric(ABC):
    """A frozen metric of restored images.

    Attributes:
        name: in tables.
        origin: of its weights, or the package it comes from.
        needs: the input that it cannot do without beside the restored image: None, "degraded" or "reference".
        higher_is_better: its declared direction.
    """

    def __init__(self, name: str, origin: str, needs: str | None, higher_is_better: bool) -> None:
        self.name, self.origin, self.needs, self.higher_is_better = name, origin, needs, higher_is_better

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is: `sign * score` rises with quality."""
        return 1 if self.higher_is_better else -1

    def __call__(self, restored: Tensor, degraded: Tensor | None = None, reference: Tensor | None = None) -> Tensor:
        """Score restored images; what the metric does not need is ignored, so that all can be called alike.

        Args:
            restored: (B,3,H,W) RGB in [0,1].
            degraded: (B,3,h,w) RGB in [0,1]; of the restored size, or smaller by a whole factor.
            reference: (B,3,H,W) RGB in [0,1].

        Returns:
            (B,), in the metric's own direction; gradients reach `restored` where the metric has any.

        Raises:
            MissingInputError: without what it judges against.
            ImageError: images that it cannot score: type, shape, size, memory.
        """
        guide = {"degraded": degraded, "reference": reference}[self.needs] if self.needs else None
        if self.needs and guide is None:
            raise MissingInputError(f"{self.name} was given no {self.needs} image; pass {self.needs}=")
        try:
            return self._score(restored, guide)
        except RuntimeError as error:  # a CPU's allocator raises no type of its own
            if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
                raise
            raise ImageError(f"{self.name}: {restored.device} ran out of memory; score crops, or elsewhere") from error

    @abstractmethod
    def _score(self, restored: Tensor, guide: Tensor | None) -> Tensor:
        """Score restored images against their guide, (B,)."""


class ScorerMetric(Metric):
    """One of our scorers.

    Args:
        scorer: a name of the catalogue, or NAME=WEIGHTS with a file's path or `random`; the name in tables.
        device: where it computes.
    """

    def __init__(self, scorer: str, device: torch.device | str = "cpu") -> None:
        name, _, weights = scorer.partition("=")
        self.scorer = load_scorer(name, weights or "default", device=device)
        shown = f"{name} ({Path(weights).stem})" if weights else name
        super().__init__(shown, self.scorer.card.origin, self.scorer.needs, True)

    def _score(self, restored: Tensor, guide: Tensor | None) -> Tensor:
        return self.scorer(restored, **({self.needs: guide} if self.needs else {}))


class PyiqaMetric(Metric):
    """One of pyiqa's metrics, frozen; outside of autocast, on float32.

    Args:
        metric: name, as pyiqa lists it.
        device: where it computes.
    """

    def __init__(self, metric: str, device: torch.device | str = "cpu") -> None:
        if metric in OF_SETS:
            raise UsageError(f"pyiqa's {metric} compares sets of images; expected one that scores a single image")
        built = build_metric(metric, device=torch.device(device))
        needs = "reference" if built.metric_mode == "FR" else None
        super().__init__(metric, "pyiqa", needs, not built.lower_better)
        self._metric = Frozen(built.net, "none")

    def _score(self, restored: Tensor, guide: Tensor | None) -> Tensor:
        check_images("restored", restored, min_px=1)
        if guide is not None and guide.shape != restored.shape:
            raise ImageError(
                f"reference has shape {tuple(guide.shape)} and restored {tuple(restored.shape)}; expected the same: "
                f"{self.name} compares aligned images"
            )
        against = [] if guide is None else [guide.float()]
        try:
            with torch.autocast(restored.device.type, enabled=False):
                score = self._metric.network(restored.float(), *against)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, AssertionError, IndexError) as error:
            if "can't allocate memory" in str(error):
                raise
            height, width = restored.shape[-2:]
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ImageError(f"pyiqa's {self.name} cannot score {height}x{width} pixels (HxW): {reason}") from error
        return (score[0] if isinstance(score, tuple) else score).reshape(len(restored), -1).mean(dim=1)


def build_metrics(
    scorers: Sequence[str], pyiqa: Sequence[str], device: torch.device | str = "cpu"
) -> dict[str, Metric]:
    """Build every metric once.

    Args:
        scorers: names of the catalogue, or NAME=WEIGHTS.
        pyiqa: names, as pyiqa lists them.
        device: where they compute.

    Returns:
        The metrics by name, scorers first.

    Raises:
        UsageError: none is named, one is named twice, unknown, or cannot be built without a download.
        CheckpointError: weights that are missing or damaged.
    """
    if not scorers and not pyiqa:
        raise UsageError("no metric is named; expected at least one --scorer NAME or --pyiqa NAME")
    twice = {name for names in (scorers, pyiqa) for name in names if list(names).count(name) > 1}
    if twice:
        raise UsageError(f"{', '.join(sorted(twice))} is named twice; name each metric once")
    built: list[Metric] = [ScorerMetric(name, device) for name in scorers]
    built += [PyiqaMetric(name, device) for name in pyiqa]
    metrics = {metric.name: metric for metric in built}
    if len(metrics) < len(built):
        raise UsageError(f"two of the metrics would both be called alike in the tables: {', '.join(metrics)}; rename")
    return metrics
