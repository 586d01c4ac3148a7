"""What a scorer is trained with: its distance from people's opinions, and the knowledge of its teacher."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from ..errors import UsageError
from ..models import CKDN, CVRKD, TeacherIQAStudent
from ..models.card import ReferenceKind
from ..nn.pixels import Normalise
from .distillation import alignment_penalty, block_distance, gradient_norm, rival_wins
from .judged import Judged, a_patch, flat, given

Log = dict[str, Tensor]


class OpinionLoss(nn.Module):
    """TeacherIQA's student: the mean absolute distance of blind scores from people's.

        mean |score - mos| + gradient_weight * mean ||d score / d pixels||_1

    Args:
        network: a `TeacherIQAStudent`, trained in place.
        normalisation: of the pixels before the network: "imagenet" or "none".
        score_range: (lowest, highest) score, which the labels' nominal range is mapped to.
        gradient_weight: of the gradient's norm, which makes a scorer harder to game; 0 for none.
        gradient_step: change of each pixel that the norm is measured with, in units of the range [0,1].
        push: how far at most each pixel of the restored images goes along the sign of the score's gradient before they
            are judged, by the opinions of the images themselves, in units of the range [0,1]; how far an image goes
            is drawn anew at each step. What nobody sees shall move no score; 0 for none of it.

    Raises:
        UsageError: a network that it does not train, or impossible numbers.

    Attributes:
        needs: what of a `Judged` it asks for beside `restored` and `mos`.

    Source: TeacherIQA's student, as in the authors' later code; deviations: gradient_weight (2403.11397), push
    (1412.6572: training with what one step along the gradient's sign makes).
    """

    trains: type[nn.Module] = TeacherIQAStudent
    needs_teacher = False
    # What the trained scorer judges against, by the beginning of its measures' names.
    settings: tuple[tuple[str, ReferenceKind], ...] = (("", "none"),)
    needs: frozenset[str] = frozenset()

    def __init__(
        self,
        network: nn.Module,
        normalisation: Literal["imagenet", "none"] = "imagenet",
        score_range: tuple[float, float] = (0.0, 1.0),
        gradient_weight: float = 0.0,
        gradient_step: float = 0.01,
        push: float = 0.0,
    ) -> None:
        super().__init__()
        if not isinstance(network, self.trains):
            raise UsageError(
                f"{type(self).__name__} trains {self.trains.__name__}; it was given a {type(network).__name__}"
            )
        if normalisation not in ("imagenet", "none"):
            raise UsageError(f"normalisation={normalisation!r}; expected imagenet or none")
        if len(score_range) != 2 or not score_range[0] < score_range[1]:
            raise UsageError(f"score_range={score_range}; expected [lowest, highest]")
        if gradient_weight < 0 or gradient_step <= 0:
            raise UsageError(
                f"gradient_weight={gradient_weight}, gradient_step={gradient_step}; expected at least 0, and above 0"
            )
        if not 0 <= push < 1:
            raise UsageError(
                f"push={push}; expected at least 0 and below 1, such as 0.008, in units of the range [0,1]"
            )
        self.network: Any = network
        self.normalise = Normalise() if normalisation == "imagenet" else nn.Identity()
        self.normalisation, self.score_range = normalisation, (float(score_range[0]), float(score_range[1]))
        self.gradient_weight, self.gradient_step = float(gradient_weight), float(gradient_step)
        self.push = float(push)

    def forward(self, judged: Judged, iteration: int) -> tuple[Tensor, Log]:
        """Compute what is minimised.

        Args:
            judged: images and opinions of one step.
            iteration: counted from 1.

        Returns:
            A scalar, lower is better, and its parts for the log; gradients reach the network's weights.
        """
        if self.push:
            judged = self.pushed(judged)
        total, log = self.opinion(judged)
        return self._regularised(total, log, judged)

    def opinion(self, judged: Judged) -> tuple[Tensor, Log]:
        """The distance from the opinions, and the parts of it for the log."""
        distance = l1_loss(self.score(judged.restored, judged), a_patch(judged.mos, judged.restored))
        return distance, {"l_mos": distance}

    def score(self, restored: Tensor, judged: Judged) -> Tensor:
        """Score patches (B,P,3,h,w) as inference does: (B*P,), or (B,) where the network judges P at once."""
        return self.network(self.normalise(flat(restored))).score

    def pushed(self, judged: Judged) -> Judged:
        """The same images, each moved by up to `push` to where its score rises the fastest."""
        restored = judged.restored.detach().requires_grad_()
        with as_in_inference(self.network), torch.enable_grad():
            (gradient,) = torch.autograd.grad(self.score(restored, judged).sum(), restored)
        distance = self.push * torch.rand(len(restored), *(1,) * (restored.ndim - 1), device=restored.device)
        return judged._replace(restored=(restored.detach() + distance * gradient.sign()).clamp(0, 1))

    def _regularised(self, total: Tensor, log: Log, judged: Judged) -> tuple[Tensor, Log]:
        if self.gradient_weight:
            with as_in_inference(self.network):
                norms = gradient_norm(lambda images: self.score(images, judged), judged.restored, self.gradient_step)
            norm = norms.mean()
            total, log["gradient_norm"] = total + self.gradient_weight * norm, norm
        return total, log


class AlignedOpinionLoss(OpinionLoss):
    """CVRKD's teacher: the mean absolute distance from people's of scores against the aligned clean image.

        mean |score - mos| + gradient_weight * mean ||d score / d pixels||_1

    Args:
        network: a `CVRKD`, trained in place.
        options: of `OpinionLoss`.

    Source: CVRKD-IQA's full-reference teacher, as released; deviations: gradient_weight (2403.11397) and push, both off
    unless asked for.
    """

    trains = CVRKD
    settings: tuple[tuple[str, ReferenceKind], ...] = (("", "aligned"),)
    needs = frozenset({"reference"})

    def opinion(self, judged: Judged) -> tuple[Tensor, Log]:
        """The distance from the opinions, one an image."""
        distance = l1_loss(self.score(judged.restored, judged), judged.mos)
        return distance, {"l_mos": distance}

    def score(self, restored: Tensor, judged: Judged) -> Tensor:
        """The score against the aligned reference, (B,)."""
        return self.network(self.normalise(restored), self.normalise(given("reference", judged.reference))).score


class ConditionalDistillationLoss(OpinionLoss):
    """CKDN's: preferences between two restorations first, then quality in both settings with aligned references.

        phase 1:  preference_weight * MSE(preference, rival_wins(mos, rival_mos))
        phase 2:  MSE(degraded_reference, mos) + MSE(full_reference, mos) + alignment_weight * alignment penalty

    Args:
        network: a `CKDN`.
        preference_iter: iterations of phase 1; 0 for none.
        preference_weight: of phase 1's term.
        alignment_weight: of the alignment; 0 trains without conditional distillation.
        alignment_form: "released", which squares the mean squared distance once more, or "paper".
        elo_points: of Elo over the score range.
        options: of `OpinionLoss`.

    Source: CKDN, section 3, and the release's numbers; deviations: gradient_weight and push of `OpinionLoss`, which the
    paper lacks, both off unless asked for.
    """

    trains = CKDN
    settings = (("", "degraded"), ("full_reference_", "aligned"))

    def __init__(
        self,
        network: nn.Module,
        preference_iter: int = 0,
        preference_weight: float = 0.5,
        alignment_weight: float = 30.0,
        alignment_form: Literal["released", "paper"] = "released",
        elo_points: float = 1000.0,
        **options: Any,
    ) -> None:
        super().__init__(network, **options)
        if alignment_form not in ("released", "paper"):
            raise UsageError(f"alignment_form={alignment_form!r}; expected released or paper")
        if preference_iter < 0 or preference_weight < 0 or alignment_weight < 0 or elo_points <= 0:
            raise UsageError(
                f"preference_iter={preference_iter}, preference_weight={preference_weight}, "
                f"alignment_weight={alignment_weight}, elo_points={elo_points}; expected none below 0, points above 0"
            )
        self.needs = frozenset({"degraded", "reference", *(("rival",) if preference_iter else ())})
        self.preference_iter, self.preference_weight = preference_iter, preference_weight
        self.alignment_weight, self.alignment_form, self.elo_points = alignment_weight, alignment_form, elo_points

    def forward(self, judged: Judged, iteration: int) -> tuple[Tensor, Log]:
        """Compute what is minimised in the iteration's phase."""
        if iteration <= self.preference_iter:
            return self._preference(judged)
        return super().forward(judged, iteration)

    def _preference(self, judged: Judged) -> tuple[Tensor, Log]:
        rival, rival_mos = given("rival", judged.rival), given("rival_mos", judged.rival_mos)
        restored, rival = (self.normalise(flat(images)) for images in (judged.restored, rival))
        found = self.network(restored, rival=rival).preference.score
        low, high = self.score_range
        mos, rival_mos = ((a_patch(own, judged.restored) - low) / (high - low) for own in (judged.mos, rival_mos))
        distance = mse_loss(found, rival_wins(mos, rival_mos, self.elo_points))
        return self.preference_weight * distance, {"l_preference": distance}

    def opinion(self, judged: Judged) -> tuple[Tensor, Log]:
        """Quality in both settings, and the alignment of degraded with pristine images."""
        guides = given("degraded", judged.degraded), given("reference", judged.reference)
        restored, degraded, pristine = (self.normalise(flat(images)) for images in (judged.restored, *guides))
        found = self.network(restored, degraded, pristine)
        mos = a_patch(judged.mos, judged.restored)
        log = {
            "l_mos": mse_loss(found.degraded_reference.score, mos),
            "l_full_reference": mse_loss(found.full_reference.score, mos),
            "l_alignment": alignment_penalty(found.alignment, self.alignment_form),
        }
        return log["l_mos"] + log["l_full_reference"] + self.alignment_weight * log["l_alignment"], log

    def score(self, restored: Tensor, judged: Judged) -> Tensor:
        """The degraded-reference score of each patch, which inference uses."""
        pair = restored, given("degraded", judged.degraded)
        return self.network(*(self.normalise(flat(images)) for images in pair)).degraded_reference.score


class ContentVariantDistillationLoss(AlignedOpinionLoss):
    """CVRKD's student: opinions, and the teacher's difference features, block by block.

        mean |score - mos| + distillation_weight * sum over blocks of MSE(own difference block, the teacher's)

    The student sees any clean image, the fixed teacher the aligned one.

    Args:
        network: the student, a `CVRKD`.
        teacher: a trained `CVRKD` of as many blocks of the same width; frozen, and no part of a checkpoint.
        distillation_weight: of the blocks' distance; 0 trains without a teacher's knowledge.
        options: of `OpinionLoss`.

    Source: CVRKD-IQA, section 3.3; deviations: all blocks of the difference mixer, as the paper intends; and, both off
    unless asked for, gradient_weight and push of `OpinionLoss`.
    """

    settings = (("", "any-clean"),)
    needs = frozenset({"reference", "clean"})
    needs_teacher = True

    def __init__(
        self, network: nn.Module, teacher: nn.Module, distillation_weight: float = 1.0, **options: Any
    ) -> None:
        super().__init__(network, **options)
        if not isinstance(teacher, CVRKD):
            raise UsageError(f"network_t is a {type(teacher).__name__}; expected a CVRKD that was trained before")
        shapes = [block_shapes(own) for own in (network, teacher)]
        if shapes[0] != shapes[1]:
            raise UsageError(
                f"the student's difference mixer has (blocks, tokens, width) {shapes[0]}, the teacher's {shapes[1]}; "
                "expected the same: network_g and network_t must agree in difference_depth, grid and width"
            )
        if distillation_weight < 0:
            raise UsageError(f"distillation_weight={distillation_weight}; expected at least 0")
        # A tuple hides the teacher from the student's parameters, mode and checkpoint.
        self._teacher = (teacher.eval().requires_grad_(False),)
        self.distillation_weight = float(distillation_weight)

    @property
    def teacher(self) -> CVRKD:
        """The fixed teacher."""
        return self._teacher[0]

    def _apply(self, fn: Any, recurse: bool = True) -> ContentVariantDistillationLoss:
        self.teacher._apply(fn, recurse)
        super()._apply(fn, recurse)
        return self

    def opinion(self, judged: Judged) -> tuple[Tensor, Log]:
        """The distance from the opinions and from the teacher's difference features."""
        guides = given("reference", judged.reference), given("clean", judged.clean)
        restored, reference, clean = (self.normalise(images) for images in (judged.restored, *guides))
        found = self.network(restored, clean)
        log = {"l_mos": l1_loss(found.score, judged.mos)}
        with torch.no_grad():
            taught = self.teacher(restored, reference)
        log["l_distillation"] = block_distance(found.difference_blocks, taught.difference_blocks)
        return log["l_mos"] + self.distillation_weight * log["l_distillation"], log

    def score(self, restored: Tensor, judged: Judged) -> Tensor:
        """The score against any clean image, (B,)."""
        return self.network(self.normalise(restored), self.normalise(given("clean", judged.clean))).score


@contextmanager
def as_in_inference(network: nn.Module) -> Iterator[None]:
    """Leave dropout and batch statistics out of it: two calls inside of the block differ by their images alone."""
    mode = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(mode)


def block_shapes(network: Any) -> tuple[int, int, int]:
    """Number of blocks, of tokens, and width of a CVRKD's difference mixer."""
    mixer, grid = network.difference_encoder, network.local_distortion.pool.output_size
    return len(mixer.blocks), int(grid) ** 2, mixer.embed.out_features


OPINION_LOSSES: dict[str, type[OpinionLoss]] = {
    kind.__name__: kind
    for kind in (OpinionLoss, AlignedOpinionLoss, ConditionalDistillationLoss, ContentVariantDistillationLoss)
}
