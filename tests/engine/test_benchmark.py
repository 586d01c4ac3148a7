"""Scoring a set: what the machine has no room for is a row, and what nobody can foresee is none."""

import pytest
import torch
from evaluation_folders import Called
from PIL import Image

from ir_quality_plugin.data.labels import LabelTable, Row
from ir_quality_plugin.engine import benchmark
from ir_quality_plugin.engine.benchmark import score_table


@pytest.fixture
def table(tmp_path):
    rows = tuple(Row(tmp_path / f"{number}.png", float(number), "one") for number in range(2))
    for row in rows:
        Image.new("RGB", (40, 40)).save(row.image)
    return LabelTable("made", rows, (0.0, 1.0), True)


class Pixels:
    """Of an image that does not reach the device."""

    def __init__(self, error):
        self.error = error

    def __getitem__(self, _):
        return self

    def to(self, device):
        raise self.error


def reading(monkeypatch, error):
    whole = benchmark.read_image
    monkeypatch.setattr(benchmark, "read_image", lambda path: Pixels(error) if path.stem == "0" else whole(path))


def test_an_image_for_which_the_device_has_no_memory_is_a_row_with_the_reason(table, monkeypatch):
    reading(monkeypatch, torch.OutOfMemoryError("CUDA out of memory"))
    first, second = score_table(table, {"made": Called(name="made")})
    assert first.failed and first.reason == "there is too little memory for 0.png; take another --device"
    assert second.score is not None


def test_other_errors_of_the_machine_are_not_hidden(table, monkeypatch):
    reading(monkeypatch, RuntimeError("driver lost"))
    with pytest.raises(RuntimeError, match="driver lost"):
        score_table(table, {"made": Called(name="made")})
