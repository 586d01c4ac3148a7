"""Our scorers and pyiqa's metrics as BasicSR's `val.metrics`."""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..catalog import load_scorer
from ..errors import MissingInputError, UsageError
from ..models.card import Protocol
from ..scorers import Scorer
from .pyiqa_loss import build_metric

# The degraded input of the image under validation, (1,3,h,w); our models set it, since BasicSR hands metrics none.
DEGRADED: ContextVar[Tensor | None] = ContextVar("DEGRADED", default=None)


def to_tensor(image: np.ndarray, crop_border: int) -> Tensor:
    """Turn BasicSR's uint8 BGR (H,W,3) or grey (H,W) into RGB (1,3,H,W) in [0,1]."""
    if crop_border:
        image = image[crop_border:-crop_border, crop_border:-crop_border]
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    rgb = np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1))
    return torch.from_numpy(rgb)[None].float() / 255


def device_here() -> torch.device:
    """Where metrics are computed: the GPU that BasicSR uses, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@cache
def scorer_of(
    name: str, weights: str, protocol: Protocol | None = None, patches: int | None = None, full_reference: bool = False
) -> Scorer:
    """A scorer of the catalogue, built once."""
    return load_scorer(
        name, weights, protocol=protocol, patches=patches, full_reference=full_reference, device=device_here()
    )


@cache
def metric_of(name: str) -> Any:
    """A pyiqa metric, built once."""
    return build_metric(name, device=device_here())


def direction_of(name: str) -> str:
    """`better` of a pyiqa metric: "higher" or "lower"."""
    return "lower" if metric_of(name).lower_better else "higher"


def prepare_metric(options: dict[str, Any], place: str) -> None:
    """Build a metric of `val.metrics` before training, so that what is missing is said then; fill `better` in.

    Raises:
        UsageError: no such scorer or metric, or the wrong `better`.
        CheckpointError: weights that are missing or damaged.
    """
    if options["type"] == "calculate_quality":
        kept = ("weights", "protocol", "patches", "full_reference")
        scorer_of(options.get("scorer", "ckdn-s"), **{"weights": "default", **_only(options, kept)})
        direction = "higher"
    elif options["type"] == "calculate_pyiqa":
        metric = options.get("metric", "ssim")
        if not isinstance(metric, str):
            raise UsageError(f"{place}.metric={metric!r}; expected the name of a metric of pyiqa, such as ssim")
        direction = direction_of(metric)
    else:
        return
    if options.setdefault("better", direction) != direction:
        raise UsageError(f"{place}: better={options['better']!r}; expected {direction!r}, the metric's own direction")


def _only(options: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: options[name] for name in names if name in options}


def calculate_quality(
    img: np.ndarray,
    img2: np.ndarray | None = None,
    scorer: str = "ckdn-s",
    better: str = "higher",
    crop_border: int = 0,
    weights: str = "default",
    protocol: Protocol | None = None,
    patches: int | None = None,
    full_reference: bool = False,
) -> float:
    """Score a restored image in BasicSR's validation.

    Args:
        img: (H,W,3) uint8 BGR, or (H,W) grey.
        img2: the clean image in the same layout, where there is one.
        scorer: a name of the catalogue; one that judges against the degraded input is handed it in our models.
        better: must be "higher".
        crop_border: pixels left out at each edge, of the restored and the clean image; not with a degraded input.
        weights: as in `load_scorer`.
        protocol: as in `load_scorer`.
        patches: as in `load_scorer`.
        full_reference: as in `load_scorer`.

    Returns:
        The score, higher is better.

    Raises:
        UsageError: an unknown scorer or option, or `better: lower`.
        MissingInputError: the scorer judges against what this validation does not have.
    """
    if better != "higher":
        raise UsageError(f"val.metrics: better={better!r} for {scorer}; expected 'higher': every scorer's direction")
    loaded = scorer_of(scorer, weights, protocol, patches, full_reference)
    degraded = DEGRADED.get()
    if loaded.needs == "degraded" and degraded is None:
        raise MissingInputError(
            f"val.metrics: {scorer} judges against the degraded input, which this model does not hand to metrics; "
            "expected one of our models: QualitySRModel, QualitySRGANModel, QualityESRGANModel, QualityRealESRGANModel"
        )
    if loaded.needs == "degraded" and crop_border:
        raise UsageError(
            f"val.metrics: crop_border={crop_border} with {scorer}; expected 0: the degraded input is whole"
        )
    restored = to_tensor(img, crop_border).to(loaded.device)
    reference = None if img2 is None else to_tensor(img2, crop_border).to(loaded.device)
    given = None if degraded is None else degraded.to(loaded.device).clamp(0, 1)
    with torch.no_grad():
        return loaded(restored, degraded=given, reference=reference).item()


def calculate_pyiqa(
    img: np.ndarray,
    img2: np.ndarray | None = None,
    metric: str = "ssim",
    better: str | None = None,
    crop_border: int = 0,
) -> float:
    """Score a restored image by a pyiqa metric in BasicSR's validation; the network is built once.

    Args:
        img: (H,W,3) uint8 BGR, or (H,W) grey.
        img2: the clean image in the same layout, for full-reference metrics.
        metric: name, as pyiqa lists it.
        better: checked against the metric's own direction; our models fill it in.
        crop_border: pixels left out at each edge.

    Returns:
        The score, in the metric's own direction.

    Raises:
        UsageError: no such metric, no weights at hand, or `better` is wrong.
        MissingInputError: a full-reference metric without ground truth.
    """
    built = metric_of(metric)
    if better not in (None, direction_of(metric)):
        raise UsageError(f"val.metrics: better={better!r} for {metric}; expected {direction_of(metric)!r}")
    if built.metric_mode == "FR" and img2 is None:
        raise MissingInputError(f"val.metrics: {metric} compares with the ground truth; expected dataroot_gt")
    images = [to_tensor(image, crop_border) for image in (img, img2) if image is not None]
    with torch.no_grad():
        return float(built(*images[: 2 if built.metric_mode == "FR" else 1]).item())
