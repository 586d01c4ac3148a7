"""Restoration networks: the generator's losses and the discriminator's, batches, validation by metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor

from ..losses.total import with_terms
from .build import build
from .options import Options
from .step import Step, Values
from .task import Task
from .validation import Validation, validate


class Batch(NamedTuple):
    """Images of one step, RGB in [0,1].

    Attributes:
        degraded: (B,3,h,w).
        reference: (B,3,H,W), the clean images; quality terms are given these.
        fidelity_target: what the fidelity term compares with; sharpened clean images in Real-ESRGAN's files.
        perceptual_target: the same for the perceptual term.
        real: the images that the discriminator is told are real.
    """

    degraded: Tensor
    reference: Tensor
    fidelity_target: Tensor
    perceptual_target: Tensor
    real: Tensor


class RestorationStep(Step):
    """Train a restoration network, as BasicSR's SRModel, SRGANModel and ESRGANModel do."""

    def backward(self, batch: Batch, iteration: int) -> Values:
        """Add the gradients of the generator's losses, and of the discriminator's."""
        for term in self.parts.terms:
            term.calls = iteration - 1  # one view and one place of the warm-up an iteration
        restored, log = self._generator_backward(batch, iteration)
        if self.parts.discriminator is not None:
            log |= self._discriminator_backward(restored, batch.real)
        return log

    def _generator_backward(self, batch: Batch, iteration: int) -> tuple[Tensor, Values]:
        parts, options = self.parts, self.options
        learns = (
            parts.discriminator is None
            or (iteration % options.net_d_iters == 0 and iteration > options.net_d_init_iters)
        )  # fmt: skip
        if not learns:
            with torch.no_grad():
                return parts.generator(batch.degraded), {}
        restored = parts.generator(batch.degraded)
        total, log = self._losses(restored, batch)
        if parts.discriminator is not None:
            adversarial = self._adversarial(restored, batch.real)
            total, log = total + adversarial, {**log, "l_g_gan": adversarial}
        self._sound &= bool(total.detach().isfinite())
        self.accelerator.backward(total)
        return restored.detach(), log

    def _losses(self, restored: Tensor, batch: Batch) -> tuple[Tensor, Values]:
        """The fidelity, quality and perceptual terms of a restored batch."""
        parts, log = self.parts, dict[str, Tensor]()
        total = restored.new_zeros(())
        if parts.pixel is not None:
            total = parts.pixel(restored, batch.fidelity_target)
            log["l_pix"] = total
        if not self._finite_everywhere(restored):
            # No term is asked, on any process: a balanced one waits for all. The step will be skipped; a backward
            # without gradient keeps the processes together.
            self._sound = False
            return (restored * 0).sum(), log
        if parts.terms:
            total, terms = with_terms(total, parts.terms, restored, batch.degraded, batch.reference)
            log |= terms
        if parts.perceptual is not None:
            for name, term in zip(
                ("l_percep", "l_style"), parts.perceptual(restored, batch.perceptual_target), strict=True
            ):
                if term is not None:
                    total, log[name] = total + term, term
        return total, log

    def _finite_everywhere(self, restored: Tensor) -> bool:
        """Whether the restored images of all processes are finite."""
        broken = (~restored.detach().isfinite().all()).float()
        return not bool(self.accelerator.reduce(broken, "sum"))

    def _adversarial(self, restored: Tensor, truth: Tensor) -> Tensor:
        """The generator's share of the GAN, through a discriminator that does not learn from it."""
        judge = self.accelerator.unwrap_model(self.parts.discriminator)
        judge.requires_grad_(False)
        gan, fake = self.parts.gan, judge(restored)
        if self.parts.kind == "relativistic":
            with torch.no_grad():
                real = judge(truth)
            loss = (gan(real - fake.mean(), False, is_disc=False) + gan(fake - real.mean(), True, is_disc=False)) / 2
        else:
            loss = gan(fake, True, is_disc=False)
        judge.requires_grad_(True)
        return loss

    def _discriminator_backward(self, restored: Tensor, truth: Tensor) -> Values:
        """Teach the discriminator: first the real images, then the restored ones."""
        parts, gan = self.parts, self.parts.gan
        discriminator: Any = parts.discriminator
        if parts.kind == "relativistic":
            with torch.no_grad():
                level = discriminator(restored).mean()
            real = discriminator(truth)
            l_real = gan(real - level, True, is_disc=True) / 2
            self.accelerator.backward(l_real)
            fake = discriminator(restored)
            l_fake = gan(fake - real.detach().mean(), False, is_disc=True) / 2
            self.accelerator.backward(l_fake)
        else:
            real = discriminator(truth)
            l_real = gan(real, True, is_disc=True)
            self.accelerator.backward(l_real)
            fake = discriminator(restored)
            l_fake = gan(fake, False, is_disc=True)
            self.accelerator.backward(l_fake)
        self._sound &= bool((l_real + l_fake).detach().isfinite())
        return {"l_d_real": l_real, "l_d_fake": l_fake, "out_d_real": real, "out_d_fake": fake}


class Restoration(Task):
    """Train a restoration network, and validate it by `val.metrics`."""

    def __init__(self, options: Options, mapping: dict[str, Any], accelerator: Accelerator) -> None:
        self.options, self.accelerator = options, accelerator
        self.parts = build(options, mapping, accelerator)
        self.step = RestorationStep(self.parts, options.train, accelerator)
        self.metrics: dict[str, dict[str, Any]] = mapping.get("val", {}).get("metrics") or {}
        self.higher = {name: metric["better"] == "higher" for name, metric in self.metrics.items()}
        self.best_by = options.val.best_by if options.val else None
        self.validates = bool(options.val and (self.metrics or options.val.save_img))

    def batch(self, sample: dict[str, Any]) -> Batch:
        """Bring a sample of the dataset to the device; of clean images, synthesise the degraded ones."""
        if self.parts.synthesis is None:
            degraded, reference = (sample[name].to(self.accelerator.device, non_blocking=True) for name in ("lq", "gt"))
            sharpened = reference
        else:
            degraded, reference, sharpened = self.parts.synthesis(sample)
        if self.options.train.channels_last:
            degraded = degraded.contiguous(memory_format=torch.channels_last)
        targets = (
            reference if sharp is False else sharpened
            for sharp in (self.options.l1_gt_usm, self.options.percep_gt_usm, self.options.gan_gt_usm)
        )
        return Batch(degraded, reference, *targets)

    def validate(self, dataset: Any, name: str, iteration: int, pictures: Path) -> Validation:
        """Restore and score every image of a set."""
        keep = pictures if self.options.val and self.options.val.save_img else None
        seed = self.options.manual_seed
        return validate(
            self.parts.best, dataset, self.metrics, self.accelerator, name, iteration, keep, seed, self.asked
        )
