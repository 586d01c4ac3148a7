"""The share of a training step of BasicSR's networks that a quality term takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import ir_quality_plugin as irq

from .clock import Call, Clock
from .precision import PRECISIONS, casting
from .rows import METHODS, images

CROP_PX, SCALE = 128, 4
# A CPU would take minutes for the GPU's batch.
BATCHES = {"cuda": 16}
CPU_BATCH = 2
EXPECTED = {"full": 0.15, "compact": 0.03}
TERMS = (*METHODS, *(f"{method}-s" for method in METHODS))


def _networks() -> dict[str, Callable[[], nn.Module]]:
    irq.register()  # mends what basicsr imports and torchvision has no more
    from basicsr.archs.rrdbnet_arch import RRDBNet
    from basicsr.archs.srresnet_arch import MSRResNet

    return {"MSRResNet": MSRResNet, "RRDBNet": lambda: RRDBNet(3, 3)}


STEPS = ("MSRResNet", "RRDBNet")


# As the README's loop has the term.
RECOMMENDED: dict[str, Any] = {"balance": 0.1, "ceiling": "reference"}


class Crops(NamedTuple):
    """A batch of a training: what the network restored, its input, and the clean image."""

    restored: Tensor
    degraded: Tensor
    clean: Tensor


def training_step(network: str, clock: Clock) -> dict[str, Any]:
    """Time a step with L1 (forward, backward, Adam), and every term forward and backward to the pixels, in turns.

    Every call sees crops that none before it saw, as in a training, so that no reference is remembered. In bf16 the
    network computes under autocast, and the term's scorer as `scorer.bfloat16()`. With the README's options, in fp32,
    a term scores the clean crop too, and measures the fidelity term's gradient.
    """
    batch = BATCHES.get(clock.device.type, CPU_BATCH)
    bank = [crops(batch, number, clock.device) for number in range(clock.rounds + 1)]  # one that does not count
    calls: dict[str, Call] = {}
    for precision in PRECISIONS:
        built = _networks()[network]().to(clock.device)
        calls[f"step {precision}"] = _fresh(_step(built, precision), bank)
        for name in TERMS:
            scorer = irq.load_scorer(name, weights="random").to(clock.device)
            term = irq.QualityLoss(scorer.bfloat16() if precision == "bf16" else scorer)
            calls[f"{name} {precision}"] = _fresh(term_call(term), bank)
    for name in TERMS:
        # A scorer of its own, after all others: the bare term's would remember these very references, and be warm.
        scorer = irq.load_scorer(name, weights="random").to(clock.device)
        calls[f"{name} recommended fp32"] = _fresh(term_call(irq.QualityLoss(scorer, **RECOMMENDED)), bank)
    times = clock.interleaved(calls)
    return {
        "batch": batch,
        "crop_px": CROP_PX,
        "expected": EXPECTED,
        "seconds": times,
        "share": {name: {precision: share(times, name, precision) for precision in PRECISIONS} for name in TERMS},
        "share_recommended": {name: {"fp32": share(times, f"{name} recommended", "fp32")} for name in TERMS},
    }


def crops(batch: int, number: int, device: torch.device) -> Crops:
    """The crops of a step; other ones for every number."""
    restored, clean = (images(batch, CROP_PX, CROP_PX, 3 * number + part) for part in (1, 2))
    degraded = images(batch, CROP_PX // SCALE, CROP_PX // SCALE, 3 * number + 3)
    return Crops(*(part.to(device) for part in (restored, degraded, clean)))


def share(times: dict[str, dict[str, float]], term: str, precision: str) -> float:
    """The share of the term in a step that has it."""
    taken = times[f"{term} {precision}"]["median_s"]
    return taken / (times[f"step {precision}"]["median_s"] + taken)


def _fresh(call: Callable[[Crops], None], bank: Sequence[Crops]) -> Call:
    """A call that is given the next crops each time; crops that ran out are an error, not old ones again."""
    coming = iter(bank)
    return lambda: call(next(coming))


def _step(network: nn.Module, precision: str) -> Callable[[Crops], None]:
    optimiser = torch.optim.Adam(network.parameters())

    def call(given: Crops) -> None:
        optimiser.zero_grad()
        with casting(precision, given.clean.device):
            loss = nn.functional.l1_loss(network(given.degraded), given.clean)
        loss.backward()
        optimiser.step()

    return call


def term_call(term: irq.QualityLoss) -> Callable[[Crops], None]:
    """A term forward and backward to the pixels; with `balance` beside L1, of which it takes the gradient."""

    def call(given: Crops) -> None:
        pixels = given.restored.clone().requires_grad_()
        fidelity = nn.functional.l1_loss(pixels, given.clean) if term.balance else None
        term(pixels, degraded=given.degraded, reference=given.clean, fidelity=fidelity).backward()

    return call
