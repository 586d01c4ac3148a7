"""How bfloat16 ranks images beside float32."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor

from ir_quality_plugin.data.images import list_images, read_image
from ir_quality_plugin.degradations.pipeline import Degrader, degrade
from ir_quality_plugin.nn.pixels import mirror_to

from . import peers
from .precision import casting

COUNT, SIDE_PX, BATCH = 500, 224, 4
EXPECTED = 0.999


def agreement(method: str, folder: Path, device: torch.device) -> dict[str, Any]:
    """SRCC of a scorer's autocast scores with its float32 scores over 500 spoiled photographs."""
    clean, spoiled = varied(folder)
    scorer = peers.ours(method).to(device)
    scores: dict[str, list[Tensor]] = {"fp32": [], "bf16": []}
    for first in range(0, COUNT, BATCH):
        restored, guide = (batch[first : first + BATCH].to(device) for batch in (spoiled, clean))
        given = {"degraded": guide, "reference": clean[:1].to(device)}
        for precision, taken in scores.items():
            with torch.inference_mode(), casting(precision, device):
                taken.append(scorer(restored, **given).cpu())
    full, half = (torch.cat(scores[precision]) for precision in ("fp32", "bf16"))
    return {
        "images": COUNT,
        "side_px": SIDE_PX,
        "expected": EXPECTED,
        "srcc": float(spearmanr(full, half).statistic),
        "largest_difference": float((full - half).abs().max()),
        "standard_deviation": float(full.std()),
    }


@cache
def varied(folder: Path) -> tuple[Tensor, Tensor]:
    """Central squares of photographs in turn, clean and through one to three distortions of any level."""
    squares = [_square(read_image(path)) for path in list_images(folder)]
    clean = torch.stack([squares[index % len(squares)] for index in range(COUNT)])
    degrader = Degrader(steps=(1, 3))
    return clean, degrade(clean, [degrader.plan(seed) for seed in range(COUNT)])


def _square(image: Tensor) -> Tensor:
    top, left = (max(side - SIDE_PX, 0) // 2 for side in image.shape[-2:])
    return mirror_to(image[None, :, top : top + SIDE_PX, left : left + SIDE_PX], SIDE_PX, SIDE_PX)[0]
