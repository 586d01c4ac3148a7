"""Files on a disk that takes no more: the former one stays, the error says what is free."""

import dataclasses

import pytest
import torch
from full_disk import files_up_to, left_over
from safetensors.torch import save_file

from ir_quality_plugin import CheckpointError
from ir_quality_plugin.catalog import CATALOG
from ir_quality_plugin.checkpoints.json_file import write_json
from ir_quality_plugin.checkpoints.table_file import write_table
from ir_quality_plugin.checkpoints.write import whole, write_weights

CARD = dataclasses.replace(CATALOG["ckdn"].card, sha256="0" * 64)
LARGE = {"weight": torch.zeros(5000)}


def save(path, how):
    with whole(path) as unfinished:
        how(LARGE, unfinished)


WRITERS = {
    "scorer.safetensors": lambda path: write_weights(path, LARGE, CARD),
    "net_g.pth": lambda path: save(path, torch.save),
    "plain.safetensors": lambda path: save(path, save_file),
    "scores.csv": lambda path: write_table(path, ["image"], [["name"]] * 5000),
    "summary.json": lambda path: write_json(path, list(range(5000))),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("size", [0, 9_000])
def test_the_former_file_stays_and_the_error_says_what_is_free(name, size, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"former")
    with files_up_to(size), pytest.raises(CheckpointError) as raised:
        WRITERS[name](path)
    text = str(raised.value)
    assert text.startswith(f"cannot write {path} (")
    assert "MiB are free on its disk" in text and "what stood there before is untouched" in text
    assert "\n" not in text and "enforce fail" not in text
    assert (path.read_bytes(), left_over(tmp_path)) == (b"former", [])
