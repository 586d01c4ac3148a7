"""Files on a disk that takes no more, or loses power: the former one stays, or the new one is whole."""

import dataclasses
import errno

import pytest
import torch
from full_disk import files_up_to, followed_to_the_disk, left_over
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


@pytest.fixture
def on_the_disk(monkeypatch):
    """What is brought to the disk and what gets its name, in order; `refused` has the folder's errors."""
    return followed_to_the_disk(monkeypatch)


def test_a_file_gets_its_name_once_its_content_is_on_the_disk_and_its_folder_follows(on_the_disk, tmp_path):
    write_json(tmp_path / "summary.json", [1])
    (first, unfinished), (second, renamed), last = on_the_disk[0]
    assert (first, second) == ("synced", "named") and unfinished == renamed
    assert last == ("synced", str(tmp_path))


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_network_drive_that_syncs_no_folders_is_written_to(number, on_the_disk, tmp_path):
    on_the_disk[1].append(number)
    write_json(tmp_path / "summary.json", [1])
    assert (tmp_path / "summary.json").read_text() == "[\n 1\n]\n"


def test_a_disk_that_fails_behind_the_file_is_said(on_the_disk, tmp_path):
    on_the_disk[1].append(errno.EIO)
    with pytest.raises(CheckpointError, match=r"summary\.json is written, and may be gone .*Input/output error"):
        write_json(tmp_path / "summary.json", [1])
