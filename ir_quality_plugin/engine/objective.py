"""One training step: the generator's losses, the discriminator's, and the update of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor

from ..losses.total import with_terms
from .build import Parts
from .options import TrainOptions

Values = dict[str, Tensor]


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


class Step:
    """Train on batches, as BasicSR's SRModel, SRGANModel and ESRGANModel do, over any number of processes.

    A step whose gradient is not finite changes no weight; it is counted.

    Args:
        parts: what is trained, and the losses.
        options: `train` of the option file.
        accelerator: of this process.

    Attributes:
        skipped: steps that changed nothing.
        skipped_in_a_row: the last of them, up to now.
    """

    def __init__(self, parts: Parts, options: TrainOptions, accelerator: Accelerator) -> None:
        self.parts, self.options, self.accelerator = parts, options, accelerator
        self.skipped = self.skipped_in_a_row = 0
        self._sound = True

    def __call__(self, batches: Sequence[Batch], iteration: int) -> Values:
        """Take one step over the batches of an iteration; gives what is logged, as means over them."""
        self._schedule(iteration)
        self._sound = True
        models = [model for model in (self.parts.generator, self.parts.discriminator) if model is not None]
        logs = []
        for batch in batches:
            for term in self.parts.terms:
                term.calls = iteration - 1  # one view and one place of the warm-up an iteration
            with self.accelerator.accumulate(*models):
                restored, log = self._generator_backward(batch, iteration)
                if self.parts.discriminator is not None:
                    log |= self._discriminator_backward(restored, batch.real)
                logs.append(log)
        self._update()
        names = dict.fromkeys(name for log in logs for name in log)
        return {
            name: torch.stack([log[name].detach().float().mean() for log in logs if name in log]).mean()
            for name in names
        }

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

    def _schedule(self, iteration: int) -> None:
        """Set the learning rate of this iteration, warm-up included, as BasicSR does."""
        if iteration > 1:
            for scheduler in self.parts.schedulers:
                scheduler.step()
        if iteration < self.options.warmup_iter:
            for optimiser in self.parts.optimisers:
                for group in optimiser.param_groups:
                    group["lr"] = group["initial_lr"] * iteration / self.options.warmup_iter

    def _update(self) -> None:
        """Move the weights of all networks, or, where anything is not finite on any process, of none."""
        scaler = self.accelerator.scaler
        weights = [[w for group in o.param_groups for w in group["params"]] for o in self.parts.optimisers]
        learning = [
            (optimiser, own)
            for optimiser, own in zip(self.parts.optimisers, weights, strict=True)
            if any(weight.grad is not None for weight in own)
        ]
        if scaler is not None:
            self.accelerator.unscale_gradients()  # of all optimisers at once
        limit = self.options.clip_grad_norm or math.inf
        norms = [torch.nn.utils.clip_grad_norm_(own, limit) for _, own in learning]
        sound = torch.stack([*norms, norms[0].new_tensor(1.0 if self._sound else math.nan)]).isfinite().all()
        finite = not bool(self.accelerator.reduce((~sound).float(), "sum"))
        for optimiser, _ in learning:
            if finite and scaler is not None:
                scaler.step(optimiser.optimizer)
            elif finite:
                optimiser.step()
            optimiser.zero_grad()
        if scaler is not None:
            scaler.update()
        self.skipped += not finite
        self.skipped_in_a_row = 0 if finite else self.skipped_in_a_row + 1
        if finite and self.parts.average is not None:
            self.parts.average.update_parameters(self.accelerator.unwrap_model(self.parts.generator))
