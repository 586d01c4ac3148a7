"""BasicSR's models with a quality term: one mixin, no copied training step."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from basicsr.models.esrgan_model import ESRGANModel
from basicsr.models.realesrgan_model import RealESRGANModel
from basicsr.models.sr_model import SRModel
from basicsr.models.srgan_model import SRGANModel
from torch import Tensor, nn

from ..checkpoints.read import read_checkpoint
from ..checkpoints.write import whole
from ..errors import CheckpointError, UsageError
from ..losses.total import with_terms
from .basicsr_metrics import DEGRADED
from .basicsr_options import check_options
from .options import build_terms


class FidelityAndQuality:
    """Stand where BasicSR calls its pixel criterion, and add the quality terms to what that gives.

    Args:
        model: whose `lq` and `gt` the terms are handed.
        fidelity: the pixel criterion of the option file.
        terms: our losses.
    """

    def __init__(self, model: Any, fidelity: Callable[[Tensor, Tensor], Tensor], terms: list[Any]) -> None:
        self.model, self.fidelity, self.terms = model, fidelity, terms
        self.log: dict[str, Tensor] = {}

    def __call__(self, restored: Tensor, target: Tensor) -> Tensor:
        """Give the pixel loss to `target` plus every term; the terms are logged a number each."""
        fidelity = self.fidelity(restored, target)
        total, self.log = with_terms(fidelity, self.terms, restored, self.model.lq, self.model.gt)
        return total


class QualityMixin:
    """Add `train.quality_opt` to a BasicSR model, and the degraded input to its validation metrics.

    Source: BasicSR's `SRModel.init_training_settings` and `optimize_parameters`, around which this stands.
    """

    opt: dict[str, Any]
    device: Any
    lq: Tensor
    cri_pix: Any
    log_dict: OrderedDict[str, float]

    def __init__(self, opt: dict[str, Any]) -> None:
        check_options(opt)
        super().__init__(opt)  # type: ignore[call-arg]  # the BasicSR model beside us

    def init_training_settings(self) -> None:
        """Build the terms, before BasicSR builds anything that takes long."""
        terms = build_terms(self.opt["train"].get("quality_opt"))
        if terms and not self.opt["train"].get("pixel_opt"):
            raise UsageError(
                "train.quality_opt stands without train.pixel_opt; expected a fidelity term beside it: a quality "
                "term alone is free to invent"
            )
        super().init_training_settings()  # type: ignore[misc]
        if terms:
            self.cri_pix = FidelityAndQuality(self, self.cri_pix, [term.to(self.device) for term in terms])

    def optimize_parameters(self, current_iter: int) -> None:
        """Take BasicSR's training step; views and warm-up follow the iteration, so that a resumed run goes on."""
        criterion = self.cri_pix
        if not isinstance(criterion, FidelityAndQuality):
            return super().optimize_parameters(current_iter)  # type: ignore[misc]
        criterion.log = {}
        for term in criterion.terms:
            term.calls = current_iter - 1
        super().optimize_parameters(current_iter)  # type: ignore[misc]
        if criterion.log:  # a GAN's generator may rest
            for name in {"l_pix", "l_g_pix"} & self.log_dict.keys():  # BasicSR logs the sum under this name
                self.log_dict[name] = float(criterion.log["l_fidelity"])
            self.log_dict.update(self.reduce_loss_dict(OrderedDict(criterion.log)))  # type: ignore[attr-defined]
        return None

    def save_training_state(self, epoch: int, current_iter: int) -> None:
        """Save BasicSR's state, and beside its optimisers what the terms go on from."""
        super().save_training_state(epoch, current_iter)  # type: ignore[misc]
        path = Path(self.opt["path"]["training_states"]) / f"{current_iter}.state"
        if self.opt["rank"] == 0 and isinstance(self.cri_pix, FidelityAndQuality) and path.is_file():
            state = read_checkpoint(path)
            state["quality"] = [term.state_dict() for term in self.cri_pix.terms]
            with whole(path) as unfinished:
                torch.save(state, unfinished)

    def resume_training(self, resume_state: dict[str, Any]) -> None:
        """Resume as BasicSR does, and the terms where they were."""
        super().resume_training(resume_state)  # type: ignore[misc]
        if isinstance(self.cri_pix, FidelityAndQuality):
            states, terms = resume_state.get("quality", []), self.cri_pix.terms
            if len(states) != len(terms):
                raise CheckpointError(
                    f"the state holds {len(states)} quality terms, train.quality_opt has {len(terms)}; resume with as "
                    "many, from an earlier state, or start from the network with path.pretrain_network_g"
                )
            for term, state in zip(terms, states, strict=True):
                term.load_state_dict(state)

    def get_current_visuals(self) -> OrderedDict[str, Tensor]:
        """Hand the degraded input on: BasicSR asks for the visuals right before it calls the metrics."""
        DEGRADED.set(self.lq.detach())
        return super().get_current_visuals()  # type: ignore[misc]

    def nondist_validation(self, *arguments: Any) -> None:
        """Validate, and forget the last degraded input."""
        try:
            super().nondist_validation(*arguments)  # type: ignore[misc]
        finally:
            DEGRADED.set(None)


class QualitySRModel(QualityMixin, SRModel):
    """BasicSR's `SRModel` with `train.quality_opt`."""


class QualitySRGANModel(QualityMixin, SRGANModel):
    """BasicSR's `SRGANModel` with `train.quality_opt`."""


class QualityESRGANModel(QualityMixin, ESRGANModel):
    """BasicSR's `ESRGANModel` with `train.quality_opt`."""


class QualityRealESRGANModel(QualityMixin, RealESRGANModel):
    """BasicSR's `RealESRGANModel` with `train.quality_opt`; it runs on a CPU too, where BasicSR asks for a GPU."""

    def __init__(self, opt: dict[str, Any]) -> None:
        with staying_put():
            super().__init__(opt)
        on_any_device(self.jpeger, self.usm_sharpener, self.device)

    def _dequeue_and_enqueue(self) -> None:
        if not hasattr(self, "queue_lr"):
            batch = len(self.lq)
            if self.queue_size % batch:
                raise UsageError(f"queue_size={self.queue_size} with a batch of {batch}; expected a multiple of it")
            self.queue_lr = self.lq.new_zeros(self.queue_size, *self.lq.shape[1:])
            self.queue_gt = self.gt.new_zeros(self.queue_size, *self.gt.shape[1:])
            self.queue_ptr = 0
        super()._dequeue_and_enqueue()


def on_any_device(jpeger: nn.Module, sharpener: nn.Module, device: torch.device) -> tuple[nn.Module, nn.Module]:
    """Move Real-ESRGAN's operators to a device, and make its JPEG step's output contiguous.

    BasicSR's filter2D takes views that its memory layout does not allow on a CPU.
    """
    jpeger.register_forward_hook(lambda module, inputs, output: output.contiguous())
    return jpeger.to(device), sharpener.to(device)


@contextmanager
def staying_put() -> Iterator[None]:
    """Let `module.cuda()` leave a module where it is; its owner moves it to its own device."""
    original = nn.Module.cuda
    nn.Module.cuda = lambda module, device=None: module  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        nn.Module.cuda = original  # type: ignore[method-assign]
