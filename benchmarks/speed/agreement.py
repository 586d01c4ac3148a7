"""How bfloat16 ranks images beside float32."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor

import ir_quality_plugin as irq
from ir_quality_plugin.degradations.pipeline import Degrader, degrade

from . import peers
from .photographs import squares
from .precision import casting
from .rows import METHODS

# At 128 px a full-size network takes a fifth of the time that it takes at 288.
COUNT, SIDE_PX, BATCH = 500, 128, 4
EXPECTED = 0.999
# Full sizes with weights drawn by a rule, and compact ones with those that ship.
SCORERS = (*METHODS, *(f"{method}-s" for method in METHODS))


def agreement(name: str, folder: Path | None, device: torch.device) -> dict[str, Any]:
    """SRCC of a scorer's autocast scores with its float32 scores over distortions of squares of photographs."""
    clean, spoiled = varied(folder, COUNT)
    scorer = (peers.ours(name) if name in METHODS else irq.load_scorer(name)).to(device)
    scores: dict[str, list[Tensor]] = {"fp32": [], "bf16": []}
    for first in range(0, COUNT, BATCH):
        restored, guide = (batch[first : first + BATCH].to(device) for batch in (spoiled, clean))
        given = {"degraded": guide, "reference": clean[:1].to(device)}
        for precision, taken in scores.items():
            with torch.inference_mode(), casting(precision, device):
                taken.append(scorer(restored, **given).cpu())
    full, half = (torch.cat(scores[precision]) for precision in ("fp32", "bf16"))
    cut, photographs = squares(SIDE_PX, folder)
    return {
        "images": COUNT,
        "squares": min(len(cut), COUNT),
        "photographs": photographs,
        "side_px": SIDE_PX,
        "weights": "drawn by a rule" if name in METHODS else "shipped",
        "expected": EXPECTED,
        "srcc": float(spearmanr(full, half).statistic),
        "largest_difference": float((full - half).abs().max()),
        "standard_deviation": float(full.std()),
    }


@cache
def varied(folder: Path | None, count: int) -> tuple[Tensor, Tensor]:
    """Squares of photographs in turn, clean and through one to three distortions of any level."""
    cut, _ = squares(SIDE_PX, folder)
    clean = cut[torch.arange(count) % len(cut)]
    degrader = Degrader(steps=(1, 3))
    return clean, degrade(clean, [degrader.plan(seed) for seed in range(count)])
