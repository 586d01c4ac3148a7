"""The share of a training step of BasicSR's networks that a quality term takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

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


def training_step(network: str, clock: Clock) -> dict[str, Any]:
    """Time a step with L1 (forward, backward, Adam), and every term forward and backward to the pixels, in turns.

    In bf16 the network computes under autocast, and the term's scorer as `scorer.bfloat16()`.
    """
    batch = BATCHES.get(clock.device.type, CPU_BATCH)
    restored, clean = (images(batch, CROP_PX, CROP_PX, seed).to(clock.device) for seed in (1, 2))
    degraded = images(batch, CROP_PX // SCALE, CROP_PX // SCALE, 3).to(clock.device)
    calls: dict[str, Call] = {}
    for precision in PRECISIONS:
        built = _networks()[network]().to(clock.device)
        calls[f"step {precision}"] = _step(built, degraded, clean, precision)
        for name in TERMS:
            scorer = irq.load_scorer(name, weights="random").to(clock.device)
            term = irq.QualityLoss(scorer.bfloat16() if precision == "bf16" else scorer)
            calls[f"{name} {precision}"] = _term(term, restored, degraded, clean)
    times = clock.interleaved(calls)
    return {
        "batch": batch,
        "crop_px": CROP_PX,
        "expected": EXPECTED,
        "seconds": times,
        "share": {name: {precision: share(times, name, precision) for precision in PRECISIONS} for name in TERMS},
    }


def share(times: dict[str, dict[str, float]], term: str, precision: str) -> float:
    """The share of the term in a step that has it."""
    taken = times[f"{term} {precision}"]["median_s"]
    return taken / (times[f"step {precision}"]["median_s"] + taken)


def _step(network: nn.Module, degraded: torch.Tensor, clean: torch.Tensor, precision: str) -> Call:
    optimiser = torch.optim.Adam(network.parameters())

    def call() -> None:
        optimiser.zero_grad()
        with casting(precision, clean.device):
            loss = nn.functional.l1_loss(network(degraded), clean)
        loss.backward()
        optimiser.step()

    return call


def _term(term: irq.QualityLoss, restored: torch.Tensor, degraded: torch.Tensor, clean: torch.Tensor) -> Call:
    def call() -> None:
        term(restored.clone().requires_grad_(), degraded=degraded, reference=clean).backward()

    return call
