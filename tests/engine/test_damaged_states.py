"""States and logs that a crash, or somebody, left damaged."""

import os
import shutil
from pathlib import Path

import pytest
import torch
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


@pytest.mark.parametrize(
    "changed",
    [
        None,
        {"best": 3},
        {"best": {"val": {"psnr": 3}}},
        {"iteration": "2"},
        {"iteration": -1},
        {"same": 3},
        {"schedulers": [3]},
        {"schedulers": []},
        {"schedulers": [{}]},
        {"schedulers": [{"last_epoch": "x"}]},
        {"skipped": "x"},
        {"guard": 3},
        {"digests": 3},
        {"digests": {"../../up": "0"}},
        {"processes": "1"},
        {"average": 3},
    ],
    ids=str,
)
def test_a_sound_file_that_no_run_wrote_is_not_gone_on_from(changed, finished, tmp_path):
    root = shutil.copytree(finished, tmp_path / "odd")
    path = next(root.glob("experiments/*/training_states/6")) / "progress.pt"
    progress = torch.load(path, weights_only=True)
    if changed is not None and changed.get("schedulers") == [{"last_epoch": "x"}]:
        changed = {"schedulers": [{**progress["schedulers"][0], "last_epoch": "x"}]}
    torch.save({"processes": 1} if changed is None else {**progress, **changed}, path)
    _, said = train(root, auto_resume=True)
    assert any("none that a run wrote" in line or "no run wrote" in line or "none of its kind" in line for line in said)
    assert any("resumed from" in line and line.endswith("4 of 6 iterations are done") for line in said)
    assert_same_runs(finished, root)


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
