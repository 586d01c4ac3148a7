"""One training step, whatever is trained: the schedule, the backward passes of its batches, and the update."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from .options import TrainOptions
from .parts import Parts

Values = dict[str, Tensor]


class Step(ABC):
    """Train on batches, over any number of processes.

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

    @abstractmethod
    def backward(self, batch: Any, iteration: int) -> Values:
        """Add the gradients of one batch; gives what is logged."""

    def __call__(self, batches: Sequence[Any], iteration: int) -> Values:
        """Take one step over the batches of an iteration; gives what is logged, as means over them."""
        self._schedule(iteration)
        self._sound = True
        models = [model for model in (self.parts.generator, self.parts.discriminator) if model is not None]
        logs = []
        for batch in batches:
            with self.accelerator.accumulate(*models):
                logs.append(self.backward(batch, iteration))
        self._update()
        names = dict.fromkeys(name for log in logs for name in log)
        return {
            name: torch.stack([log[name].detach().float().mean() for log in logs if name in log]).mean()
            for name in names
        }

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
            self.parts.average.update_parameters(self.parts.network)
