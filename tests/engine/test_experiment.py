"""The folder of a run: a state takes the place of an earlier one whole, and a disk that refuses is spoken of."""

import os
import shutil
from pathlib import Path

import pytest
from accelerate import Accelerator
from engine_runs import run
from full_disk import followed_to_the_disk

import ir_quality_plugin as irq
from ir_quality_plugin.engine.experiment import Experiment
from ir_quality_plugin.engine.step import Step


@pytest.fixture
def experiment(tmp_path):
    made = Experiment(tmp_path, "one", Accelerator(cpu=True), keep_states=2)
    made.begin(resumed=False)
    return made


def save(experiment, text, iteration=6):
    experiment.save_state(iteration, {"text": text}, {}, needed=1)


def found(experiment):
    """What a resumed run goes on from."""
    with experiment.held():
        return [experiment.load_state(state)[0]["text"] for state in experiment.complete()]


def fail(*arguments, **options):
    raise OSError(39, os.strerror(39))


def test_a_state_of_the_same_iteration_is_replaced_whole(experiment, monkeypatch):
    save(experiment, "first")
    events, _ = followed_to_the_disk(monkeypatch)
    save(experiment, "second")
    state = experiment.states / "6"
    named = [place for place, (kind, _) in enumerate(events) if kind == "named"]
    assert [events[place][1] for place in named] == [str(state), str(state.with_suffix(".unfinished"))]
    assert ("synced", str(state.with_suffix(".unfinished"))) in events[: named[0]]
    assert events[-1] == ("synced", str(experiment.states))
    assert found(experiment) == ["second"]
    assert [path.name for path in experiment.states.iterdir()] == ["6"]


@pytest.mark.parametrize("step", [1, 2])
def test_a_kill_while_a_state_is_replaced_leaves_one_that_is_gone_on_from(step, experiment, monkeypatch):
    save(experiment, "first")
    rename, renamed = Path.rename, []

    def killed(self, target):
        renamed.append(self)
        rename(self, target)
        if len(renamed) == step:
            raise KeyboardInterrupt  # nothing is tidied up behind it

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            save(experiment, "second")
    assert found(experiment) == [["first", "second"][step - 1]]
    experiment.begin(resumed=True)
    save(experiment, "third")
    assert found(experiment) == ["third"]
    assert [path.name for path in experiment.states.iterdir()] == ["6"]


def test_a_state_that_cannot_take_its_name_leaves_the_earlier_one(experiment, monkeypatch):
    save(experiment, "first")
    rename = Path.rename

    def refused(self, target):
        fail() if self.suffix == ".unfinished" else rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refused)
        with pytest.raises(irq.CheckpointError, match="the earlier ones are untouched"):
            save(experiment, "second")
    assert found(experiment) == ["first"]


def test_an_earlier_state_that_the_disk_does_not_let_go_ends_nothing(experiment, monkeypatch):
    with monkeypatch.context() as patch:
        remove = shutil.rmtree
        patch.setattr(os, "rmdir", fail)
        for iteration in (2, 4, 6, 6):
            save(experiment, f"at {iteration}", iteration)
        assert found(experiment) == ["at 6", "at 4"]
        experiment.begin(resumed=True)
        assert shutil.rmtree is remove
    experiment.begin(resumed=True)
    assert found(experiment) == ["at 6", "at 4"]
    assert sorted(path.name for path in experiment.states.iterdir()) == ["4", "6"]


@pytest.mark.parametrize("root", ["file/below", "/proc/nowhere"])
def test_a_root_that_cannot_be_written_to_is_said_before_anything_is_trained(root, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(Step, "__call__", lambda *arguments: pytest.fail("it was trained"))
    with pytest.raises(irq.CheckpointError, match=r"smoke_sr_x4_l1: it cannot be written to .*choose another"):
        run("sr_x4_l1", tmp_path / root)
