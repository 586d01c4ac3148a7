"""States that are well-formed, and none that a run wrote: the state before them is gone on from."""

import shutil

import pytest
import torch
from compared_runs import train
from engine_runs import RECIPES, equal, networks


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    from ir_quality_plugin.integrations.register import register

    register()
    root = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(RECIPES.parent)
        train(root)
    return root


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
    first, second = networks(finished), networks(root)
    assert first.keys() == second.keys()
    assert all(equal(first[file], second[file]) for file in first)
