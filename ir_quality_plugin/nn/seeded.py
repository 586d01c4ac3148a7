"""Random weights that are the same every time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

SEED = 0


@contextmanager
def seeded_weights() -> Iterator[None]:
    """Draw from a fixed seed inside of the block; no generator of the user's, on whatever device, is touched."""
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(SEED)
    try:
        yield
    finally:
        torch.set_rng_state(state)
