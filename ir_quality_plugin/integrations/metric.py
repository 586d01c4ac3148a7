"""Our scorers and pyiqa's metrics behind one call, each with its direction and what it cannot do without."""

from __future__ import annotations

import contextlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, Literal

import torch
from torch import Tensor

from ..catalog import load_scorer
from ..checkpoints.read import digest
from ..errors import ImageError, ImageMemoryError, MissingInputError, QualityPluginError
from ..nn.memory import ran_out_of_memory
from ..nn.pixels import check_images
from ..scorers.frozen import Frozen
from .metric_requests import Request, pyiqa_needs, requests
from .pyiqa_loss import build_metric

# The score of an image is that of the mean squared error over all of its pixels.
OF_SQUARED_ERROR = ("psnr", "psnry")
# What metrics, pyiqa's above all, raise over images that they cannot take.
STUMBLES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


class Metric(ABC):
    """A frozen metric of restored images.

    Attributes:
        name: in tables.
        origin: of its weights, or the package it comes from.
        needs: the input that it cannot do without beside the restored image: None, "degraded" or "reference".
        higher_is_better: its declared direction.
        aligned: whether its reference must have the restored image's size.
        tiled: whether a large image may be scored by tiles; False where the protocol looks at a small view anyway.
        combine: how tiles become one score: the mean by area, or the mean of the squared errors behind them.
        about: what a run records of it; two runs that differ in it have no scores to share.
    """

    def __init__(
        self,
        name: str,
        origin: str,
        needs: str | None,
        higher_is_better: bool,
        *,
        aligned: bool = False,
        tiled: bool = True,
        combine: Literal["mean", "squared error"] = "mean",
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.name, self.origin, self.needs, self.higher_is_better = name, origin, needs, higher_is_better
        self.aligned, self.tiled, self.combine, self.about = aligned, tiled, combine, dict(about or {})

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
            ImageMemoryError: the device has too little memory for them.
            ImageError: images that it cannot score: type, shape, size, or whatever it stumbles over.
        """
        guide = {"degraded": degraded, "reference": reference}[self.needs] if self.needs else None
        if self.needs and guide is None:
            raise MissingInputError(f"{self.name} was given no {self.needs} image; pass {self.needs}=")
        try:
            return self._score(restored, guide)
        except QualityPluginError:
            raise
        except STUMBLES as error:
            size = "{}x{} pixels (HxW)".format(*restored.shape[-2:])
            if ran_out_of_memory(error):
                raise ImageMemoryError(
                    f"{self.name}: {restored.device} ran out of memory on {size}; score smaller tiles or crops, or "
                    "elsewhere"
                ) from error
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise ImageError(f"{self.name} cannot score {size}: {reason}") from error

    @abstractmethod
    def _score(self, restored: Tensor, guide: Tensor | None) -> Tensor:
        """Score restored images against their guide, (B,)."""


class ScorerMetric(Metric):
    """One of our scorers.

    Args:
        request: which, with which weights.
        device: where it computes.
    """

    def __init__(self, request: Request, device: torch.device | str = "cpu") -> None:
        self.scorer = load_scorer(request.key, request.weights, device=device)
        card = self.scorer.card
        super().__init__(
            request.name,
            card.origin,
            self.scorer.needs,
            True,
            aligned=card.reference == "aligned",
            tiled=self.scorer.protocol != "released",
            about={
                "kind": "scorer",
                "weights": card.origin,
                "digest": digest(card.to_json(), self.scorer.network.state_dict()),
                "protocol": self.scorer.protocol,
                "range": list(card.score_range),
            },
        )

    def _score(self, restored: Tensor, guide: Tensor | None) -> Tensor:
        return self.scorer(restored, **({self.needs: guide} if self.needs else {}))


class PyiqaMetric(Metric):
    """One of pyiqa's metrics, frozen; outside of autocast, on float32.

    Args:
        request: which.
        device: where it computes.
    """

    def __init__(self, request: Request, device: torch.device | str = "cpu") -> None:
        metric, needs = request.key, pyiqa_needs(request.key)
        with contextlib.redirect_stdout(sys.stderr):  # pyiqa announces what it builds and downloads
            built = build_metric(metric, device=torch.device(device))
        weights = built.net.state_dict()
        about = {"kind": "pyiqa", "version": metadata.version("pyiqa"), "range": str(built.score_range or "")}
        super().__init__(
            request.name,
            "pyiqa",
            needs,
            not built.lower_better,
            aligned=needs is not None,
            combine="squared error" if metric in OF_SQUARED_ERROR else "mean",
            about=about | ({"digest": digest("", weights)} if weights else {}),
        )
        self._metric = Frozen(built.net, "none")

    def _score(self, restored: Tensor, guide: Tensor | None) -> Tensor:
        check_images("restored", restored, min_px=1)
        if guide is not None and guide.shape != restored.shape:
            raise ImageError(
                f"reference has shape {tuple(guide.shape)} and restored {tuple(restored.shape)}; expected the same: "
                f"{self.name} compares aligned images"
            )
        against = [] if guide is None else [guide.float()]
        with torch.autocast(restored.device.type, enabled=False):
            score = self._metric.network(restored.float(), *against)
        return (score[0] if isinstance(score, tuple) else score).reshape(len(restored), -1).mean(dim=1)


def build_metrics(
    scorers: Sequence[str], pyiqa: Sequence[str], device: torch.device | str = "cpu"
) -> dict[str, Metric]:
    """Build every metric once.

    Args:
        scorers: as in `requests`.
        pyiqa: as in `requests`.
        device: where they compute.

    Returns:
        The metrics by name, scorers first.

    Raises:
        UsageError: none is named, one is named twice, unknown, or cannot be built without a download.
        CheckpointError: weights that are missing or damaged.
    """
    kinds = {"scorer": ScorerMetric, "pyiqa": PyiqaMetric}
    return {request.name: kinds[request.kind](request, device) for request in requests(scorers, pyiqa)}
