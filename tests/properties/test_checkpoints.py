"""A file of weights with any byte changed: refused, or what is read is equal to the bit."""

import dataclasses
import io

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from ir_quality_plugin.catalog import CATALOG
from ir_quality_plugin.checkpoints.read import read_weights
from ir_quality_plugin.checkpoints.write import write_weights
from ir_quality_plugin.errors import CheckpointError

CARD = dataclasses.replace(CATALOG["ckdn"].card, sha256="0" * 64)
WEIGHTS = {
    "conv.weight": torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0)),
    "bn.num_batches_tracked": torch.tensor(7),
    "half": torch.arange(6, dtype=torch.float16).reshape(2, 3),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The bytes of one file in each form."""
    path = write_weights(tmp_path_factory.mktemp("sound") / "ckdn.safetensors", WEIGHTS, CARD)
    files = {".safetensors": path.read_bytes()}
    file = io.BytesIO()
    torch.save(WEIGHTS, file)
    return {**files, ".pth": file.getvalue()}


def assert_equal_or_refused(path, card):
    try:
        found = read_weights(path)
    except CheckpointError as error:
        assert str(path) in str(error)
        return
    assert found.card == card
    assert found.tensors.keys() == WEIGHTS.keys()
    for name, tensor in WEIGHTS.items():
        assert found.tensors[name].dtype == tensor.dtype and torch.equal(found.tensors[name], tensor), name


@settings(max_examples=400)
@given(place=some.floats(0, 1, exclude_max=True), change=some.integers(1, 255))
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_no_changed_byte_passes_in_silence(tmp_path_factory, sound, suffix, place, change):
    content = bytearray(sound[suffix])
    content[int(place * len(content))] ^= change
    path = tmp_path_factory.getbasetemp() / f"changed{suffix}"
    path.write_bytes(content)
    assert_equal_or_refused(path, CARD if suffix == ".safetensors" else None)


@settings(max_examples=150)
@given(start=some.floats(0, 1), length=some.integers(1, 4000), what=some.sampled_from(["cut", "zeros", "twice", "end"]))
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_no_lost_or_repeated_piece_passes_in_silence(tmp_path_factory, sound, suffix, start, length, what):
    content = sound[suffix]
    begin = int(start * len(content))
    piece = content[begin : begin + length]
    changed = {
        "cut": content[:begin] + content[begin + length :],
        "zeros": content[:begin] + bytes(len(piece)) + content[begin + len(piece) :],
        "twice": content[:begin] + piece + content[begin:],
        "end": content[:begin],
    }[what]
    path = tmp_path_factory.getbasetemp() / f"torn{suffix}"
    path.write_bytes(changed)
    assert_equal_or_refused(path, CARD if suffix == ".safetensors" else None)


values = some.floats(width=32, allow_nan=False, allow_infinity=False)
names = some.text(min_size=1, max_size=20).filter(lambda name: name != "__metadata__" and name.isprintable())


@given(
    tensors=some.dictionaries(names, some.lists(values, max_size=9), min_size=1),
    licence=some.text(max_size=20),
)  # fmt: skip
def test_any_names_values_and_terms_come_back(tmp_path_factory, tensors, licence):
    weights = {name: torch.tensor(values, dtype=torch.float32) for name, values in tensors.items()}
    card = dataclasses.replace(CARD, licence=licence)
    path = write_weights(tmp_path_factory.getbasetemp() / "any.safetensors", weights, card)
    found = read_weights(path)
    assert found.card == card
    assert found.tensors.keys() == weights.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in weights.items())
