"""Real-ESRGAN's degraded inputs, synthesised on the device by BasicSR's own pipeline, for any training loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from basicsr.utils import DiffJPEG, USMSharp
from torch import Tensor

from ..errors import UsageError
from .basicsr_models import QualityRealESRGANModel, on_any_device


class Synthesis(QualityRealESRGANModel):
    """The data side of BasicSR's `RealESRGANModel`, without its networks: clean images in, training triplets out.

    Args:
        opt: the option file as a mapping; its top holds the degradations.
        device: where images are synthesised.
    """

    def __init__(self, opt: Mapping[str, Any], device: torch.device) -> None:
        self.opt, self.device, self.is_train = dict(opt), device, True
        self.queue_size = opt.get("queue_size", 180)
        self.jpeger, self.usm_sharpener = on_any_device(DiffJPEG(differentiable=False), USMSharp(), device)

    def __call__(self, sample: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Give the degraded images, the clean ones, and these sharpened.

        Raises:
            UsageError: an option of the degradations is missing.
        """
        try:
            self.feed_data(sample)
        except KeyError as error:
            raise UsageError(
                f"the file has no {error}; {type(self).__bases__[0].__name__} synthesises with it"
            ) from error
        return self.lq, self.gt, self.gt_usm

    def state_dict(self) -> dict[str, Any]:
        """The pool of pairs that later batches are drawn from."""
        if not hasattr(self, "queue_lr"):
            return {}
        return {"queue_lr": self.queue_lr, "queue_gt": self.queue_gt, "queue_ptr": self.queue_ptr}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved pool."""
        for name, value in state.items():
            setattr(self, name, value.to(self.device) if isinstance(value, Tensor) else value)
