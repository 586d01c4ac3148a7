"""What the authors' networks give for weights and inputs drawn by a rule; the values are in golden.json."""

import json
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())


def draw(key: str, shape: list[int]) -> Tensor:
    """One released parameter, drawn from its name."""
    values = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape or (1,))
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if key.endswith("running_var"):
        values = 1 + 0.1 * np.abs(values)
    elif key.endswith("running_mean"):
        values = 0.1 * values
    elif len(shape) >= 2:
        values = values * np.sqrt((0.4 if len(shape) == 2 else 1.6) / np.prod(shape[1:]))
    elif key.endswith("gamma"):
        values = np.full_like(values, 0.5)
    elif key.endswith("weight"):
        values = 1 + 0.1 * values
    else:
        values = 0.05 * values
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


@cache
def released_weights(method: str) -> dict[str, Tensor]:
    """A released state dict with golden weights; shared between tests, so do not change it in place."""
    return {key: draw(key, shape) for key, shape in GOLDEN[method]["keys"].items()}


def image(seed: int, *shape: int) -> Tensor:
    """Uniform pixels in [0,1]."""
    return torch.from_numpy(np.random.RandomState(seed).random_sample(shape).astype(np.float32))


def assert_golden(tensor: Tensor, entry: dict) -> None:
    """Shape, 16 values, mean and standard deviation, within 1e-4 of the largest absolute value."""
    assert list(tensor.shape) == entry["shape"]
    flat = tensor.detach().flatten()
    tolerance = 1e-4 * entry["abs_max"]
    given = torch.stack([flat[int(index)] for index in entry["at"]])
    torch.testing.assert_close(given, torch.tensor(list(entry["at"].values())), rtol=0, atol=tolerance)
    statistics = [flat.double().mean(), flat.double().std(unbiased=False), flat.abs().max().double()]
    expected = torch.tensor([entry["mean"], entry["std"], entry["abs_max"]], dtype=torch.float64)
    torch.testing.assert_close(torch.stack(statistics), expected, rtol=0, atol=tolerance)
