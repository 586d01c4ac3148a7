"""How much faster the compact scorers are than the full sizes, on the same image."""

from __future__ import annotations

from typing import Any

import torch

import ir_quality_plugin as irq

from .clock import Clock
from .rows import images

EXPECTED = 8.0


def compact_ratio(method: str, clock: Clock) -> dict[str, Any]:
    """Score a photograph of 480 x 640 px with both sizes in turns; every scorer by its own covering protocol."""
    restored, guide = (images(1, 480, 640, seed).to(clock.device) for seed in (5, 6))
    calls = {}
    for name in (method, f"{method}-s"):
        scorer = irq.load_scorer(name, weights="random").to(clock.device)
        calls[name] = lambda scorer=scorer: scorer(restored, degraded=guide, reference=guide)
    with torch.inference_mode():
        times = clock.interleaved(calls)
    ratio = times[method]["median_s"] / times[f"{method}-s"]["median_s"]
    return {"seconds": times, "ratio": ratio, "expected": EXPECTED}
