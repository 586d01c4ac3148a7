"""What the three papers minimise when they train a scorer: the formulas, as pure functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

# Points of Elo that stand for tenfold odds.
ELO_POINTS = 400.0


def rival_wins(mos: Tensor, rival_mos: Tensor, points: float = 1000.0) -> Tensor:
    """The probability that people prefer the rival, by Elo's formula.

        1 / (1 + 10^((mos - rival_mos) * points / 400))

    Args:
        mos: (B,), higher is better.
        rival_mos: (B,) in the same unit.
        points: of Elo in one unit of the scores; PIPAL's (Elo - 900) / 1000 has 1000.

    Returns:
        (B,) in (0,1); 0.5 for equal scores.

    Source: CKDN, the preference label; deviations: none.
    """
    return torch.sigmoid((rival_mos - mos) * (points / ELO_POINTS * math.log(10)))


def alignment_penalty(alignment: Tensor, form: str = "released") -> Tensor:
    """How far degraded images lie from pristine ones in the reference space, over a batch.

        paper:     mean(alignment)
        released:  mean(alignment)^2

    Args:
        alignment: (B,), mean squared distances, at least 0.
        form: "paper", or "released", whose code squares the mean squared distance once more.

    Returns:
        A scalar, at least 0.

    Source: CKDN, the conditional distillation term; the default is the release's form.
    """
    mean = alignment.mean()
    return mean.square() if form == "released" else mean


def block_distance(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """The sum over blocks of the mean squared distance between a student's and a teacher's features.

    Args:
        student: one (B,N,D) a block.
        teacher: as many of the same shapes; no gradient reaches them.

    Returns:
        A scalar, at least 0.

    Source: CVRKD-IQA, the distillation term; deviation: all blocks, where the release's code loses seven of eighteen.
    """
    distances = [mse_loss(own, other.detach()) for own, other in zip(student, teacher, strict=True)]
    return torch.stack(distances).sum()


def gradient_norm(score: Callable[[Tensor], Tensor], images: Tensor, step: float = 0.01) -> Tensor:
    """The l1 norm of each score's gradient at the pixels, by a difference along the gradient's sign.

        |score(images + step * sign(gradient)) - score(images)| / step

    A small norm bounds what a small change of the pixels can do to the score. The difference needs no second
    derivative, and sees as far as `step`.

    Args:
        score: maps images to (B,).
        images: (B,...) in [0,1].
        step: change of each pixel, in units of the range [0,1].

    Returns:
        (B,), at least 0; gradients reach the weights of `score`.

    Source: Liu et al., Defense against adversarial attacks on no-reference image quality models with gradient norm
    regularization, 2024 (2403.11397), equation of the norm and its finite difference.
    """
    varied = images.detach().requires_grad_()
    with torch.enable_grad():
        here = score(varied)
        (gradient,) = torch.autograd.grad(here.sum(), varied, retain_graph=True)
    return (score(varied.detach() + step * gradient.sign()) - here).abs() / step
