"""What only looks like a file: devices without an end, FIFOs that nobody writes to; they hang nothing."""

import os
from collections import Counter
from pathlib import Path

import pytest

import ir_quality_plugin.integrations
from ir_quality_plugin.checkpoints.read import is_safetensors, read_card, read_checkpoint, read_weights
from ir_quality_plugin.data.csv_file import read_entries, read_lines
from ir_quality_plugin.data.images import declared_size, opened, read_image
from ir_quality_plugin.data.labels import Triplet
from ir_quality_plugin.data.mat_file import read_texts
from ir_quality_plugin.errors import QualityPluginError

assert ir_quality_plugin.integrations  # BasicSR can be imported behind it


@pytest.fixture(params=["fifo", "/dev/zero", "link"])
def odd(request, tmp_path):
    path = tmp_path / "odd"
    if request.param == "/dev/zero":
        return Path(request.param)
    if request.param == "link":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    "read",
    [
        read_weights,
        read_checkpoint,
        read_card,
        read_lines,
        read_image,
        lambda path: read_entries(path, ("image",)),
        lambda path: read_texts(path, "names"),
    ],
    ids=["weights", "checkpoint", "card", "lines", "image", "table", "matlab"],
)
def test_a_path_that_is_no_file_is_refused_at_once(odd, read):
    with pytest.raises(QualityPluginError, match=r"it is a (device|FIFO); expected a regular file|no regular file"):
        read(odd)


def test_a_path_that_is_no_file_is_neither_weights_nor_an_image(odd):
    assert not is_safetensors(odd)
    assert declared_size(odd) == (0, 0)
    with pytest.raises(OSError, match="expected a regular file"), opened(odd):
        pass


def test_labels_are_made_without_what_is_no_file(odd):
    pytest.importorskip("pyiqa")
    from ir_quality_plugin.integrations.labelling import _digests

    pairs, failures = _digests([Triplet(odd, odd, None, "a", None)])
    assert pairs == [None]
    assert "expected a regular file" in next(iter(Counter(failures)))


@pytest.mark.parametrize("key", ["path.pretrain_network_g", "datasets.train.dataroot_gt"])
def test_an_option_file_names_no_device(run, odd, tmp_path, key):
    pytest.importorskip("basicsr")
    recipe = Path(__file__).parents[2] / "recipes" / "smoke" / "sr_x4_l1.yml"
    code, said = run("train", "-opt", recipe, "--root", tmp_path / "out", "--set", f"{key}={odd}")
    assert code in (1, 2)
    assert "expected a regular file" in said or "no such folder" in said
