"""Documents as files: numbers that are none, and a writer that fails half-way."""

import json

import numpy as np
import pytest

import ir_quality_plugin as irq
from ir_quality_plugin.checkpoints.json_file import plain, write_json


def test_what_json_cannot_hold_is_made_plain_at_any_depth(tmp_path):
    document = {"a": (1.25, float("nan")), "b": [{"c": -np.inf, "d": np.float64(0.1)}], "e": None, "f": 3}
    expected = {"a": [1.25, None], "b": [{"c": None, "d": 0.1}], "e": None, "f": 3}
    assert plain(document) == expected
    assert json.loads(write_json(tmp_path / "new" / "summary.json", plain(document)).read_text()) == expected
    assert plain([1 / 3, 2, np.nan], lambda number: round(number, 2)) == [0.33, 2, None]


def test_a_number_that_is_none_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(irq.CheckpointError, match="not JSON compliant"):
        write_json(tmp_path / "summary.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []
