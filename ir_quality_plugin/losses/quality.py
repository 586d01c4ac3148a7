"""A scorer as a loss: bounded, balanced, smoothed, and safe to add to any training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..catalog import load_scorer
from ..errors import ImageError, MissingInputError, UsageError
from ..models.card import Protocol
from ..nn.pixels import check_images, check_span, match_size, read_together
from ..scorers import Scorer
from ..scorers.scorer import OVERSHOOTS
from .augment import Augment
from .balance import Balance, gradient_at
from .functional import REDUCTIONS, inside, reduce, shortfall, with_gradient


class QualityLoss(nn.Module):
    """The shortfall of a frozen scorer's score: minimising it makes a better picture by that scorer.

        term = max(ceiling - score, 0) / (highest - lowest)        loss = weight * reduction(term)

    Without a ceiling, `highest - score` stands in the place of the maximum. The weight is `loss_weight`, or with
    `balance` the measured factor, and rises linearly from zero over the first `warmup_iter` calls.

    Pixels outside [0,1] are scored as if clamped; their gradient may bring them back and never drives them further
    out. An image most of which lies above 2 is one of 0 to 255, and is refused. The
    scorer computes in its own precision, outside of autocast, so that fp16 and GradScaler are safe.

    Args:
        scorer: a name of the catalogue, or a loaded `Scorer`.
        loss_weight: factor of the term; must stay 1 with `balance`, which takes its place.
        reduction: "none" (B,), "mean" or "sum".
        ceiling: where the term stops paying: None, a score, or "reference": the clean image's own score, judged
            against the same degraded input or reference and from the same view.
        balance: ratio of the term's gradient norm at the restored image to the fidelity term's; None for none.
        balance_momentum: of the factor's exponential average, in [0,1).
        warmup_iter: number of calls over which the weight rises; 0 for none.
        flip: mirror what the scorer sees at random.
        shift_px: shift what the scorer sees by up to so many pixels.
        crop_px: show the scorer a random square of this side; None for the whole image.
        seed: of the random views.
        nonfinite: NaN or Inf in an image: "raise" an ImageError, or "skip" the call with a loss of zero, counted.
        weights: of a scorer given by name: "default", "random" or a path.
        protocol: of a scorer given by name; None for the one that sees every pixel.
        patches: of a scorer given by name.
        full_reference: of a scorer given by name: judge against the aligned clean image.

    Attributes:
        log: of the last call, without graph: `score` (mean), `term` (mean, before any factor), `factor` (what it was
            multiplied with), `skipped` (calls so far).

    Source: deviation from all three papers, which use their scores for assessment alone.
    """

    def __init__(
        self,
        scorer: str | Scorer,
        loss_weight: float = 1.0,
        reduction: Literal["none", "mean", "sum"] = "mean",
        ceiling: float | Literal["reference"] | None = None,
        balance: float | None = None,
        balance_momentum: float = 0.9,
        warmup_iter: int = 0,
        flip: bool = False,
        shift_px: int = 0,
        crop_px: int | None = None,
        seed: int = 0,
        nonfinite: Literal["raise", "skip"] = "raise",
        weights: str | Path = "default",
        protocol: Protocol | None = None,
        patches: int | None = None,
        full_reference: bool = False,
    ) -> None:
        super().__init__()
        _check_choice("reduction", reduction, REDUCTIONS)
        _check_choice("nonfinite", nonfinite, ("raise", "skip"))
        if isinstance(ceiling, str):
            _check_choice("ceiling", ceiling, ("reference", None, "a score"))
        if isinstance(loss_weight, bool) or not isinstance(loss_weight, (int, float)) or not math.isfinite(loss_weight):
            raise UsageError(f"loss_weight={loss_weight!r}; expected a number; in YAML 1.1 write 1.0e-4, not 1e-4")
        if loss_weight < 0:
            raise UsageError(
                f"loss_weight={loss_weight}; expected at least 0: minimising the term already means better"
            )
        if balance is not None and loss_weight != 1:
            raise UsageError(
                f"balance={balance} and loss_weight={loss_weight}; expected one of them: balance is the weight"
            )
        if isinstance(scorer, str):
            scorer = _load(scorer, weights, protocol, patches, full_reference)
        elif weights != "default" or protocol or patches or full_reference:
            raise UsageError(
                "weights, protocol, patches and full_reference are for a scorer given by name; pass them to load_scorer"
            )
        self.scorer = scorer
        self.loss_weight, self.reduction, self.ceiling = float(loss_weight), reduction, ceiling
        self.balance = None if balance is None else Balance(balance, balance_momentum)
        self.warmup_iter, self.nonfinite = warmup_iter, nonfinite
        self.augment = Augment(flip, shift_px, crop_px, seed)
        self.calls, self.skipped = 0, 0
        self.log: dict[str, Tensor] = {name: torch.tensor(torch.nan) for name in ("score", "term", "factor")}

    @property
    def needs(self) -> set[str]:
        """The arguments that `forward` must be given beside `restored`."""
        wanted = {self.scorer.needs} if self.scorer.needs else set()
        return (
            wanted
            | ({"reference"} if self.ceiling == "reference" else set())
            | ({"fidelity"} if self.balance else set())
        )

    def forward(
        self,
        restored: Tensor,
        degraded: Tensor | None = None,
        reference: Tensor | None = None,
        fidelity: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss; what is not needed is ignored.

        Args:
            restored: (B,3,H,W) RGB, nominally in [0,1]; any finite value is taken.
            degraded: (B,3,h,w) RGB in [0,1]; of the restored size, or smaller by a whole factor.
            reference: (B,3,H,W) RGB in [0,1]; the clean image.
            fidelity: the scalar fidelity term, computed from this very `restored`, for `balance`.

        Returns:
            A scalar, or (B,) for reduction "none"; lower is better; gradients reach `restored` alone.

        Raises:
            MissingInputError: something that the loss needs is not given; says what.
            ImageError: wrong type, shape, size or range; NaN or Inf, unless they are skipped.
        """
        self._require(degraded=degraded, reference=reference, fidelity=fidelity)
        check_images("restored", restored, min_px=1)
        if fidelity is not None and not isinstance(fidelity, Tensor):
            raise UsageError(f"fidelity is a {type(fidelity).__name__}; expected the scalar tensor that is optimised")
        self.calls += 1
        given = {"degraded": degraded, "reference": reference}
        guides = {name: image for name, image in given.items() if image is not None}
        for name in sorted(self.needs & guides.keys()):
            check_images(name, guides[name], min_px=1)
        guides = {name: image.detach() for name, image in guides.items()}
        if self._hold_nonfinite(restored, guides):
            return self._skip(restored)
        with torch.autocast(restored.device.type, enabled=False):
            term, factor = self._weigh(restored, guides, fidelity)
        return reduce(term * factor, self.reduction)

    def _weigh(
        self, restored: Tensor, guides: dict[str, Tensor], fidelity: Tensor | None
    ) -> tuple[Tensor, Tensor | float]:
        ramp = min(self.calls / self.warmup_iter, 1.0) if self.warmup_iter else 1.0
        factor: Tensor | float = self.loss_weight * ramp
        if self.balance and fidelity is not None and torch.is_grad_enabled() and restored.requires_grad:
            # The scorer's backward runs here, once, up to a copy of the image; the graph gets its result.
            copy = restored.detach().to(self.scorer.dtype).requires_grad_()
            score, term = self._judge(copy, guides)
            (gradient,) = torch.autograd.grad(term.sum(), copy)
            share = 1 / len(restored) if self.reduction == "mean" else 1.0
            factor = ramp * self.balance.factor(gradient_at(restored, fidelity), gradient.float() * share)
            term = with_gradient(restored, term.detach(), gradient)
        else:
            score, term = self._judge(restored.to(self.scorer.dtype), guides)
        self.log = {
            "score": score.detach().mean(),
            "term": term.detach().mean(),
            "factor": torch.as_tensor(factor).detach(),
            "skipped": torch.tensor(float(self.skipped)),
        }
        return term, factor

    def _judge(self, restored: Tensor, guides: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        aligned = {"restored": inside(restored)}
        apart = {}
        for name, guide in guides.items():
            if name == "degraded" and self.scorer.needs == "degraded":
                aligned[name] = match_size(name, guide, restored)
            elif name == "reference" and (self.ceiling == "reference" or self.scorer.card.reference == "aligned"):
                aligned[name] = self._same_size(guide, restored)
            else:
                apart[name] = guide
        shown = {**apart, **self.augment.view(self.calls, aligned)}
        # Values were looked at before, all of them together.
        against = self.scorer.against(shown["restored"], **self._against(shown))
        score = self.scorer.judge(shown["restored"], against)
        ceiling: Tensor | float | None = None if self.ceiling == "reference" else self.ceiling
        if self.ceiling == "reference":
            with torch.no_grad():
                ceiling = self.scorer.judge(shown["reference"], against)
        return score, shortfall(score, self.scorer.card.score_range, ceiling)

    def _same_size(self, reference: Tensor, restored: Tensor) -> Tensor:
        if reference.shape != restored.shape:
            raise ImageError(
                f"reference has shape {tuple(reference.shape)} and restored {tuple(restored.shape)}; expected as much: "
                "both are scored from the same view; crop or resize one of them"
            )
        return reference

    def _against(self, shown: dict[str, Tensor]) -> dict[str, Tensor]:
        needed = self.scorer.needs
        return {needed: shown[needed]} if needed else {}

    def _require(self, **given: Tensor | None) -> None:
        missing = sorted(argument for argument in self.needs if given.get(argument) is None)
        if "fidelity" in missing and not torch.is_grad_enabled():
            missing.remove("fidelity")
        if not missing:
            return
        name = self.scorer.card.name
        reasons = {
            "degraded": f"{name} judges against the degraded input",
            "reference": f"{name} judges against a clean image"
            if self.scorer.needs == "reference"
            else "ceiling='reference' scores the clean image too",
            "fidelity": "balance is measured against the fidelity term",
        }
        call = ", ".join(f"{argument}={argument}" for argument in sorted(self.needs))
        raise MissingInputError(
            f"the loss misses {' and '.join(missing)}: {'; '.join(reasons[argument] for argument in missing)}; "
            f"call it as loss(restored, {call})"
        )

    def _hold_nonfinite(self, restored: Tensor, guides: dict[str, Tensor]) -> bool:
        # Bytes as floats: clamped, they would be white, and trained on silently.
        bright = (restored.detach() > 2).float().mean()
        images = (restored.detach(), *guides.values())
        share, *spans = read_together(bright, *(extreme for batch in images for extreme in batch.aminmax()))
        sound = all(map(math.isfinite, spans))
        if sound and share > 0.5:
            raise ImageError(
                f"{share:.0%} of restored's values lie above 2; expected an image in [0,1], which may leave the range "
                "slightly; divide by 255: restored / 255"
            )
        if sound:
            for name, low, high in zip(guides, spans[2::2], spans[3::2], strict=True):
                if name in self.needs:
                    check_span(name, low, high, OVERSHOOTS[name if name == self.scorer.needs else "restored"])
            return False
        if self.nonfinite == "raise":
            raise ImageError(
                "an image of the loss holds NaN or Inf; expected finite values; look for where they arise, "
                "or pass nonfinite='skip' to leave such batches out of the term"
            )
        return True

    def _skip(self, restored: Tensor) -> Tensor:
        self.skipped += 1
        self.log = {**self.log, "skipped": torch.tensor(float(self.skipped))}
        zeros = with_gradient(restored, restored.new_zeros(len(restored)).float(), torch.zeros_like(restored))
        return reduce(zeros, self.reduction)

    def get_extra_state(self) -> dict[str, Any]:
        """What an exact resume needs beside the options: the number of calls and the smoothed balance."""
        smoothed = self.balance.smoothed if self.balance else None
        return {"calls": self.calls, "skipped": self.skipped, "smoothed": None if smoothed is None else float(smoothed)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.calls, self.skipped = state["calls"], state["skipped"]
        if self.balance and state["smoothed"] is not None:
            self.balance.smoothed = torch.tensor(state["smoothed"])


def _load(name: str, weights: str | Path, protocol: Protocol | None, patches: int | None, full: bool) -> Scorer:
    scorer = load_scorer(name, weights, protocol=protocol, patches=patches, full_reference=full)
    if protocol is None and scorer.protocol == "released":
        # A loss needs a gradient at every pixel; the released crops leave most of an image without.
        everywhere = next(kind for kind in scorer.protocols if kind != "released")
        scorer = load_scorer(name, weights, protocol=everywhere, patches=patches, full_reference=full)
    return scorer


def _check_choice(option: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{option}={value!r}; expected one of {', '.join(map(repr, choices))}")
