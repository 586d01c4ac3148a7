"""Any differentiable pyiqa metric as a loss, with what its `as_loss=True` gets wrong put right."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..errors import ImageError, MissingInputError, UsageError, nearest
from ..losses.functional import REDUCTIONS, inside, reduce
from ..nn.pixels import check_images
from ..scorers.frozen import Frozen


def build_metric(metric: str, **options: Any) -> Any:
    """Build a pyiqa metric by name.

    Args:
        metric: name, as pyiqa lists it.
        options: of `pyiqa.create_metric`.

    Raises:
        UsageError: pyiqa is not installed, has no such metric, or cannot build it (weights that it would download); a
            file or address among the options that holds code.
    """
    try:
        import pyiqa
    except ImportError as error:
        raise UsageError("pyiqa is not installed; pip install 'ir-quality-plugin[pyiqa]'") from error
    known = pyiqa.list_models()
    if metric not in known:
        raise UsageError(f"pyiqa has no metric {metric!r}; {nearest(metric, known)}")
    named = any(isinstance(value, str) and ("://" in value or Path(value).exists()) for value in options.values())
    try:
        with weights_alone() if named else nullcontext():
            return pyiqa.create_metric(metric, **options)
    except pickle.UnpicklingError as error:
        raise UsageError(
            f"pyiqa cannot build {metric!r}: a file that its options name holds more than weights, or is damaged. "
            "Nothing in it was executed; save its state dict alone with torch.save"
        ) from error
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"pyiqa cannot build {metric!r} ({reason}); its weights are downloaded at first use: run it once with a "
            "network, or choose a metric without weights, such as ssim"
        ) from error


@contextmanager
def weights_alone() -> Iterator[None]:
    """Let `torch.load` read weights alone, whatever its caller asks for; pyiqa asks it to execute what a file holds."""
    read, run = torch.load, torch.jit.load

    def refuse(*_: Any, **__: Any) -> None:
        raise pickle.UnpicklingError("a TorchScript archive holds code")

    torch.load = lambda *given, **options: read(*given, **{**options, "weights_only": True})
    torch.jit.load = refuse
    try:
        yield
    finally:
        torch.load, torch.jit.load = read, run


class PyiqaLoss(nn.Module):
    """A pyiqa metric whose minimum is the best picture: its sign follows the metric's own direction.

        loss = loss_weight * reduction(s * metric),  s = 1 where lower is better, -1 where higher is

    The metric is frozen, always in eval mode and no part of a parent's checkpoint; gradients follow the caller's mode.

    Args:
        metric: name, as pyiqa lists it; it must be differentiable.
        loss_weight: factor of the loss.
        reduction: "none" (B,), "mean" or "sum".
        options: of the metric, as `pyiqa.create_metric` takes them.

    Raises:
        UsageError: no such metric, or its weights are not at hand.

    Source: pyiqa (an optional extra, PolyForm-Noncommercial); deviation: sign, freezing and weight are put right.
    """

    def __init__(
        self,
        metric: str = "ssim",
        loss_weight: float = 1.0,
        reduction: Literal["none", "mean", "sum"] = "mean",
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise UsageError(f"reduction={reduction!r}; expected one of none, mean, sum")
        if isinstance(loss_weight, bool) or not isinstance(loss_weight, (int, float)) or not loss_weight >= 0:
            raise UsageError(f"loss_weight={loss_weight!r}; expected a number of at least 0")
        built = build_metric(metric, device=torch.device("cpu"), **(options or {}))
        self.metric_name, self.loss_weight, self.reduction = metric, float(loss_weight), reduction
        self.sign = 1.0 if built.lower_better else -1.0
        self.needs = {"reference"} if built.metric_mode == "FR" else set()
        self._metric = Frozen(built.net, "none")
        self.log: dict[str, Tensor] = {}

    def forward(self, restored: Tensor, reference: Tensor | None = None, **ignored: Any) -> Tensor:
        """Compute the loss.

        Args:
            restored: (B,3,H,W) RGB, nominally in [0,1]; clamped with a gradient that never points outwards.
            reference: (B,3,H,W) RGB in [0,1]; for full-reference metrics.
            ignored: what other losses of the package take.

        Returns:
            A scalar, or (B,) for reduction "none"; lower is better; gradients reach `restored` alone.

        Raises:
            MissingInputError: a full-reference metric without the clean image.
            ImageError: wrong type or shape, NaN or Inf.
        """
        images = [("restored", restored)]
        if self.needs:
            if reference is None:
                raise MissingInputError(f"{self.metric_name} compares with the clean image; pass reference=")
            images.append(("reference", reference))
        for name, batch in images:
            check_images(name, batch, min_px=1)
            if not bool(batch.detach().isfinite().all()):
                raise ImageError(f"{name} holds NaN or Inf; expected finite values; look for where they arise first")
        against = [] if reference is None or not self.needs else [reference.detach().float()]
        with torch.autocast(restored.device.type, enabled=False):
            score = self._metric.network(inside(restored.float()), *against)
        score = (score[0] if isinstance(score, tuple) else score).reshape(len(restored), -1).mean(dim=1)
        self.log = {"score": score.detach().mean(), "factor": torch.tensor(self.loss_weight)}
        return self.loss_weight * reduce(self.sign * score, self.reduction)
