"""The guard: is the optimised score bought with a loss of quality that other metrics see?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from ..metrics.intervals import mean_interval
from .options import GuardOptions
from .validation import Validation


@dataclass
class Guard:
    """Compare each validation with the one at which the watched metrics were at their best.

    It fires when, image by image, the optimised metric has risen since then and *every* watched metric has fallen, each
    by more than its noise: the paired bootstrap interval of the mean difference lies above zero, or below it. The best
    validation is the one with the highest mean rank of the watched metrics' means among those so far; the earliest of
    several.

    Args:
        options: `train.guard`.
        higher: of each metric: whether higher is better.

    Attributes:
        history: validations so far: iteration, and scores by metric and image.
        fired: what was said, by iteration.
    """

    options: GuardOptions
    higher: Mapping[str, bool]
    history: list[dict[str, Any]] = field(default_factory=list)
    fired: dict[int, str] = field(default_factory=dict)

    def watch(self, validation: Validation) -> str | None:
        """Take a validation in; gives what to say if it fires, else None."""
        names = (self.options.optimised, *self.options.metrics)
        scores = {name: validation.scores[name] for name in names}
        self.history.append({"iteration": validation.iteration, "scores": scores})
        before = self.history[self.best()]
        if before is self.history[-1]:
            return None
        changes = {name: self._change(name, before["scores"][name], scores[name]) for name in names}
        low, _ = changes[self.options.optimised][1:]
        if low <= 0 or any(high >= 0 for _, _, high in (changes[name] for name in self.options.metrics)):
            return None
        said = ", ".join(f"{name} {mean:+.4g} [{low:+.4g}, {high:+.4g}]" for name, (mean, low, high) in changes.items())
        message = (
            f"the guard at iteration {validation.iteration}: since iteration {before['iteration']} the optimised "
            f"score is better and every watched one worse, beyond noise ({said}; in the direction of better, "
            f"{self.options.confidence:.0%} intervals)"
        )
        self.fired[validation.iteration] = message
        return message

    def best(self) -> int:
        """Index of the validation at which the watched metrics were at their best."""
        means = np.array(
            [
                [self._sign(name) * np.mean(list(entry["scores"][name].values())) for name in self.options.metrics]
                for entry in self.history
            ]
        )
        ranks = stats.rankdata(np.where(np.isfinite(means), means, -np.inf), axis=0)
        return int(ranks.mean(axis=1).argmax())

    def best_iteration(self) -> int:
        """Iteration of that validation."""
        return int(self.history[self.best()]["iteration"])

    def _sign(self, name: str) -> int:
        return 1 if self.higher[name] else -1

    def _change(self, name: str, before: dict[str, float], now: dict[str, float]) -> tuple[float, float, float]:
        """Mean and interval of what an image gained, in the direction of better."""
        pairs = np.array([(before[image], now[image]) for image in now])
        pairs = pairs[np.isfinite(pairs).all(axis=1)]  # an infinite PSNR says nothing of a difference
        if not len(pairs):
            return 0.0, -np.inf, np.inf
        gains = self._sign(name) * (pairs[:, 1] - pairs[:, 0])
        return float(gains.mean()), *mean_interval(gains, self.options.confidence)
