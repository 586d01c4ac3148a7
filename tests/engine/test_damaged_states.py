"""States and logs that a crash, or somebody, left damaged."""

import os
import shutil
from pathlib import Path

import pytest
from compared_runs import assert_same_runs, train
from engine_runs import RECIPES


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("model.safetensors", "zeros"),
        ("model.safetensors", "half"),
        ("optimizer.bin", "empty"),
        ("optimizer.bin", "gone"),
        ("process_0.pt", "half"),
        ("progress.pt", "empty"),
        ("progress.pt", "zeros"),
        ("progress.pt", "gone"),
    ],
)
def test_a_state_that_the_disk_lost_part_of_is_not_gone_on_from(file, damage, finished, tmp_path):
    root = shutil.copytree(finished, tmp_path / "damaged")
    path = next(root.glob("experiments/*/training_states/6")) / file
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:  # a crash leaves files of the right size and no content on some disks
        lost = {"empty": b"", "half": content[: len(content) // 2], "zeros": bytes(len(content))}
        path.write_bytes(lost[damage])
    folder, said = train(root, auto_resume=True)
    assert any("resumed from" in line and line.endswith("4 of 6 iterations are done") for line in said)
    assert_same_runs(finished, root)
    assert damage == "gone" or (next(folder.glob("left_at_4_*")) / "training_states" / "6").is_dir()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    from ir_quality_plugin.integrations.register import register

    register()
    before = Path.cwd()
    os.chdir(RECIPES.parent)
    root = tmp_path_factory.mktemp("finished")
    train(root)
    os.chdir(before)
    return root


def test_lines_of_a_log_that_a_crash_damaged_are_dropped(finished, tmp_path):
    root = shutil.copytree(finished, tmp_path / "damaged")
    (folder,) = root.glob("experiments/*")
    log = folder / "log.jsonl"
    log.write_bytes(log.read_bytes() + b"\0" * 20 + b'\n{"kind": "tr')
    train(root, auto_resume=True)
    assert_same_runs(finished, root)
