"""How bfloat16 ranks images beside float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor
from tqdm import tqdm

from ir_quality_plugin.data.images import list_images, read_image
from ir_quality_plugin.degradations.pipeline import Degrader, degrade
from ir_quality_plugin.nn.pixels import mirror_to

from . import peers
from .rows import casting

METHODS = ("ckdn", "teacheriqa", "cvrkd")
COUNT, SIDE_PX, BATCH = 500, 224, 4
EXPECTED = 0.999


def agreement(folder: Path, methods: Sequence[str], device: torch.device) -> dict[str, Any]:
    """SRCC of autocast scores with float32 scores over 500 spoiled photographs, by method."""
    clean, spoiled = varied(list_images(folder))
    scorers = {method: peers.ours(method).to(device) for method in methods}
    scores: dict[str, dict[str, list[Tensor]]] = {method: {"fp32": [], "bf16": []} for method in scorers}
    for first in tqdm(range(0, COUNT, BATCH), desc="bf16 beside fp32", disable=None):
        restored, guide = (batch[first : first + BATCH].to(device) for batch in (spoiled, clean))
        for method, scorer in scorers.items():
            given = {"degraded": guide, "reference": clean[:1].to(device)}
            for precision, taken in scores[method].items():
                with torch.inference_mode(), casting(precision, device):
                    taken.append(scorer(restored, **given).cpu())
    found = {}
    for method, taken in scores.items():
        full, half = (torch.cat(taken[precision]) for precision in ("fp32", "bf16"))
        found[method] = {
            "srcc": float(spearmanr(full, half).statistic),
            "largest_difference": float((full - half).abs().max()),
            "standard_deviation": float(full.std()),
        }
    return {"images": COUNT, "side_px": SIDE_PX, "expected": EXPECTED, "methods": found}


def varied(paths: list[Path]) -> tuple[Tensor, Tensor]:
    """Central squares of photographs in turn, clean and through one to three distortions of any level."""
    squares = [_square(read_image(path)) for path in paths]
    clean = torch.stack([squares[index % len(squares)] for index in range(COUNT)])
    degrader = Degrader(steps=(1, 3))
    return clean, degrade(clean, [degrader.plan(seed) for seed in range(COUNT)])


def _square(image: Tensor) -> Tensor:
    top, left = (max(side - SIDE_PX, 0) // 2 for side in image.shape[-2:])
    return mirror_to(image[None, :, top : top + SIDE_PX, left : left + SIDE_PX], SIDE_PX, SIDE_PX)[0]
