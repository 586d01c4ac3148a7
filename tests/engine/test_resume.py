"""Exact resumes after real kills, and what cannot be resumed."""

import signal
import subprocess
from pathlib import Path

import pytest
from engine_runs import RECIPES, SHORT, SMOKE, command, equal, log_of, networks, run

import ir_quality_plugin as irq
from ir_quality_plugin.engine.loop import train
from ir_quality_plugin.engine.options import read_options

DIES_IN_A_STEP = """
import os, signal, sys
from ir_quality_plugin.engine.step import Step
take = Step.__call__
def step(self, batches, iteration):
    if iteration == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return take(self, batches, iteration)
Step.__call__ = step
sys.argv[1:1] = ["train"]
from ir_quality_plugin.cli.app import main
main()
"""


DIES_WHILE_SAVING = """
import os, signal, sys
from accelerate import Accelerator
save = Accelerator.save_state
def dying(self, folder, *arguments, **options):
    save(self, folder, *arguments, **options)
    if "/8." in folder:
        os.kill(os.getpid(), signal.SIGKILL)
Accelerator.save_state = dying
sys.argv[1:1] = ["train"]
from ir_quality_plugin.cli.app import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sr_x4_ckdn", "esrgan_x4_ckdn", "sr_x4_cvrkd", "realesrgan_x4_ckdn"])
def test_a_run_killed_between_and_while_saving_ends_bit_equal_to_an_uninterrupted_one(name, tmp_path):
    overrides = [*SHORT, "train.total_iter=12", "train.quality_opt.flip=true"]
    train(read_options(SMOKE / f"{name}.yml", overrides), tmp_path / "whole", say=lambda line: None)
    states = next((tmp_path / "whole").glob("experiments/*")).relative_to(tmp_path / "whole") / "training_states"
    for dying in (DIES_IN_A_STEP, DIES_WHILE_SAVING):
        line = command(SMOKE / f"{name}.yml", tmp_path / "killed", *overrides, more=["--auto_resume"])
        dying_line = [line[0], "-c", dying, *line[3:]]
        process = subprocess.run(dying_line, cwd=RECIPES.parent, capture_output=True, text=True, timeout=240)
        assert process.returncode == -signal.SIGKILL, process.stderr[-3000:]
    assert any((tmp_path / "killed" / states).glob("*.unfinished"))
    train(read_options(SMOKE / f"{name}.yml", overrides), tmp_path / "killed", True, say=lambda line: None)
    whole, killed = networks(tmp_path / "whole"), networks(tmp_path / "killed")
    assert whole.keys() == killed.keys()
    assert all(equal(whole[file], killed[file]) for file in whole)
    logs = [
        [{key: value for key, value in entry.items() if "time" not in key} for entry in log_of(path, kind)]
        for kind in ("train", "val")
        for path in (next((tmp_path / part).glob("experiments/*")) for part in ("whole", "killed"))
    ]
    assert logs[0] == logs[1]
    assert logs[2] == logs[3]
    assert not list((tmp_path / "killed").rglob("*.unfinished"))


def test_an_earlier_run_of_the_name_is_put_aside(tmp_path):
    run("sr_x4_l1", tmp_path)
    run("sr_x4_l1", tmp_path)
    assert len(list((tmp_path / "experiments").glob("smoke_sr_x4_l1*"))) == 2
    assert len(list((tmp_path / "experiments").glob("smoke_sr_x4_l1_archived_*"))) == 1


def test_the_last_states_are_kept(tmp_path):
    folder, _ = run("sr_x4_l1", tmp_path, "logger.save_checkpoint_freq=1", "logger.keep_states=2")
    assert sorted(path.name for path in (folder / "training_states").iterdir()) == ["5", "6"]


def test_a_damaged_state_is_named_and_an_earlier_one_is_gone_on_from(tmp_path):
    folder, _ = run("sr_x4_l1", tmp_path)
    weights = folder / "training_states" / "6" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    named = f"path.resume_state={folder / 'training_states' / '6'}"
    with pytest.raises(irq.CheckpointError, match=r"cannot resume from .*training_states/6 .*name an earlier state"):
        run("sr_x4_l1", tmp_path, named)
    _, said = run("sr_x4_l1", tmp_path, auto_resume=True)
    assert any("training_states/6 (model.safetensors is damaged)" in line for line in said)
    assert any("4 of 6 iterations are done" in line for line in said)


def test_a_state_that_cannot_be_written_leaves_the_earlier_ones(tmp_path, monkeypatch):
    from accelerate import Accelerator

    save = Accelerator.save_state

    def full(self, folder, *arguments, **options):
        if Path(folder).name.startswith("4"):
            Path(folder).mkdir(parents=True)
            raise OSError(28, "No space left on device")
        return save(self, folder, *arguments, **options)

    monkeypatch.setattr(Accelerator, "save_state", full)
    with pytest.raises(irq.CheckpointError, match=r"No space left on device.*the earlier ones are untouched"):
        run("sr_x4_l1", tmp_path)
    (folder,) = tmp_path.glob("experiments/*/training_states")
    assert [path.name for path in folder.iterdir()] == ["2"]


def test_a_resume_from_an_earlier_state_puts_the_later_branch_aside(tmp_path):
    folder, _ = run("sr_x4_l1", tmp_path, "logger.save_checkpoint_freq=1", "logger.keep_states=2")
    earlier = f"path.resume_state={folder / 'training_states' / '5'}"
    run("sr_x4_l1", tmp_path, "logger.save_checkpoint_freq=1", "logger.keep_states=2", earlier)
    assert sorted(path.name for path in (folder / "training_states").iterdir()) == ["5", "6"]
    (aside,) = folder.glob("left_at_5_*")
    assert (aside / "training_states" / "6" / "progress.pt").is_file()
    assert (aside / "models" / "net_g_6.pth").is_file()


@pytest.mark.parametrize("override", ["manual_seed=1", "train.ema_decay=0", "datasets.train.batch_size_per_gpu=4"])
def test_a_resume_with_what_would_not_be_exact_is_refused(override, tmp_path):
    run("sr_x4_l1", tmp_path)
    with pytest.raises(irq.UsageError, match="an exact resume needs the same"):
        run("sr_x4_l1", tmp_path, "train.total_iter=8", override, auto_resume=True)
