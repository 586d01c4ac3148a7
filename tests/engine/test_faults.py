"""The worst days of a training: signals, lost workers and processes, files that go, disks that are full or lie."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from engine_runs import RECIPES, SHORT, SMOKE, command, equal, log_of, networks, run
from full_disk import files_up_to, followed_to_the_disk, left_over

import ir_quality_plugin as irq
from ir_quality_plugin.engine import loading
from ir_quality_plugin.engine.step import Step

LIGHT = "val.metrics={psnr: {type: calculate_psnr, crop_border: 4, better: higher}}"
PHOTOGRAPHS = SMOKE / "photographs" / "train"
SIGNALLED = """
import os, signal, sys
from ir_quality_plugin.engine import validation
from ir_quality_plugin.engine.step import Step
take, score = Step.__call__, validation._score
def step(self, batches, iteration):
    if ("step", iteration) == {when}:
        os.kill(os.getpid(), signal.{name})
    return take(self, batches, iteration)
def scored(network, sample, metrics, device, iteration, pictures):
    if ("validation", iteration) == {when}:
        os.kill(os.getpid(), signal.{name})
    return score(network, sample, metrics, device, iteration, pictures)
Step.__call__, validation._score = step, scored
sys.argv[1:1] = ["train"]
from ir_quality_plugin.cli.app import main
main()
"""

WORKER_KILLED = """
import os, signal, sys
import torch
from ir_quality_plugin.engine import loading
load = loading.Replayable.__getitem__
def loaded(self, place):
    if place[1] == 9 and torch.utils.data.get_worker_info() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return load(self, place)
loading.Replayable.__getitem__ = loaded
sys.argv[1:1] = ["train"]
from ir_quality_plugin.cli.app import main
main()
"""


def train(root, *overrides, auto_resume=False):
    return run("sr_x4_l1", root, LIGHT, *overrides, auto_resume=auto_resume)


def without_times(entries):
    return [{key: value for key, value in entry.items() if "time" not in key} for entry in entries]


def assert_same_runs(one, other):
    """Every network, and every line of the logs, is the same to the bit."""
    first, second = networks(one), networks(other)
    assert first.keys() == second.keys()
    assert all(equal(first[file], second[file]) for file in first)
    for kind in ("train", "val"):
        logs = [log_of(next(root.glob("experiments/*")), kind) for root in (one, other)]
        assert without_times(logs[0]) == without_times(logs[1])


def call(line, code, **options):
    done = subprocess.run(line, cwd=RECIPES.parent, capture_output=True, text=True, timeout=240, **options)
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-4000:]
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def at_iteration(monkeypatch):
    """Do something before the step of an iteration, until something else is asked for."""
    take, plan = Step.__call__, {}

    def step(self, batches, iteration):
        plan.get(iteration, lambda: None)()
        return take(self, batches, iteration)

    def set_up(wanted, do):
        plan.clear()
        plan[wanted] = do

    monkeypatch.setattr(Step, "__call__", step)
    return set_up


@pytest.mark.slow
def test_a_run_stopped_by_signals_in_a_step_and_in_a_validation_ends_bit_equal(tmp_path):
    overrides = [*SHORT, LIGHT, "train.total_iter=8"]
    run("sr_x4_ckdn", tmp_path / "whole", *overrides)
    line = command(SMOKE / "sr_x4_ckdn.yml", tmp_path / "stopped", *overrides, more=["--auto_resume"])
    for name, when, code in (("SIGTERM", ("step", 5), 143), ("SIGUSR1", ("validation", 6), 138)):
        done = call([line[0], "-c", SIGNALLED.format(name=name, when=when), *line[3:]], code)
        assert (
            f"stopped by {name}: {when[1]} of 8 iterations are done and saved; go on with --auto_resume" in done.stderr
        )
    run("sr_x4_ckdn", tmp_path / "stopped", *overrides, auto_resume=True)
    assert_same_runs(tmp_path / "whole", tmp_path / "stopped")


def test_a_signal_in_the_same_process_is_an_error_of_its_own_and_handlers_come_back(tmp_path, at_iteration):
    before = signal.getsignal(signal.SIGINT)
    at_iteration(3, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(irq.errors.Stopped, match="stopped by SIGINT: 3 of 6 iterations are done and saved") as stopped:
        train(tmp_path)
    assert stopped.value.signal == signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is before
    assert (next(tmp_path.glob("experiments/*")) / "training_states" / "3" / "progress.pt").is_file()


def test_a_second_ctrl_c_ends_the_process_at_once(tmp_path, at_iteration):
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1.1)
        os.kill(os.getpid(), signal.SIGINT)

    at_iteration(3, twice)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)


def in_a_worker(monkeypatch, position, do):
    """Do something in a loader's worker, before it loads the sample of a position."""
    load = loading.Replayable.__getitem__

    def loaded(self, place):
        if place[1] == position and torch.utils.data.get_worker_info() is not None:
            do()
        return load(self, place)

    monkeypatch.setattr(loading.Replayable, "__getitem__", loaded)


@pytest.mark.slow
def test_a_worker_that_is_killed_ends_the_run_with_what_it_knows(tmp_path):
    # In a process of its own: torch raises the loss wherever Python is at that moment, in pytest too.
    overrides = [*SHORT, LIGHT, "datasets.train.num_worker_per_gpu=1", "logger.save_checkpoint_freq=1"]
    line = command(SMOKE / "sr_x4_l1.yml", tmp_path, *overrides)
    done = call([line[0], "-c", WORKER_KILLED, *line[3:]], 1)
    assert re.search(r"loads images was ended.*lower num_worker_per_gpu; (go on|there)", done.stderr), done.stderr


def test_a_signal_that_reaches_the_workers_too_is_the_trainings_to_answer(tmp_path, monkeypatch):
    in_a_worker(monkeypatch, 8, lambda: [os.kill(os.getpid(), number) for number in (signal.SIGTERM, signal.SIGINT)])
    folder, _ = train(tmp_path, "datasets.train.num_worker_per_gpu=1")
    assert log_of(folder, "train")[-1]["iter"] == 6


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_an_image_that_goes_in_mid_epoch_costs_nothing_once_it_is_back(damage, workers, tmp_path, at_iteration):
    for folder in ("gt", "x4"):
        shutil.copytree(PHOTOGRAPHS / folder, tmp_path / "images" / folder)
    images = [
        f"datasets.train.dataroot_{key}={tmp_path / 'images' / name}" for key, name in (("gt", "gt"), ("lq", "x4"))
    ]
    options = [*images, f"datasets.train.num_worker_per_gpu={workers}"]
    train(tmp_path / "whole", *options)
    lost = tmp_path / "images" / "gt" / "astronaut_0.png"
    kept = lost.read_bytes()
    at_iteration(1, lambda: lost.unlink() if damage == "gone" else lost.write_bytes(kept[:200]))
    with pytest.raises(
        irq.QualityPluginError, match=r"images of iteration \d cannot be loaded: .*astronaut_0\.png.* saved"
    ):
        train(tmp_path / "faulty", *options)
    at_iteration(1, lambda: None)
    lost.write_bytes(kept)
    train(tmp_path / "faulty", *options, auto_resume=True)
    assert_same_runs(tmp_path / "whole", tmp_path / "faulty")


def test_a_full_disk_while_saving_leaves_the_last_state_and_the_run_ends_the_same(tmp_path, at_iteration):
    train(tmp_path / "whole")
    (states,) = (tmp_path / "whole").glob("experiments/*/training_states")
    sizes = sorted(path.stat().st_size for path in (states / "6").iterdir())
    for size in (sizes[-1] - 100, 20_000):  # in the state's largest file, and in all but its smallest
        with ExitStack() as until_the_end:
            at_iteration(3, lambda size=size, end=until_the_end: end.enter_context(files_up_to(size)))
            with pytest.raises(irq.CheckpointError, match=r"cannot write .*MiB are free on its disk"):
                train(tmp_path / "full")
        (folder,) = (tmp_path / "full").glob("experiments/smoke_sr_x4_l1")
        assert [path.name for path in (folder / "training_states").iterdir()] == ["2"]
        assert left_over(folder) == []
    at_iteration(3, lambda: None)
    train(tmp_path / "full", auto_resume=True)
    shutil.rmtree(next((tmp_path / "full").glob("experiments/*archived*")))
    assert_same_runs(tmp_path / "whole", tmp_path / "full")


def test_a_state_gets_its_name_once_all_of_it_and_the_log_are_on_the_disk(tmp_path, monkeypatch):
    events, _ = followed_to_the_disk(monkeypatch)
    folder, _ = train(tmp_path)
    state = folder / "training_states" / "6"
    unfinished = state.with_suffix(".unfinished")
    place = events.index(("named", str(unfinished)))
    files = {str(unfinished / path.name) for path in state.iterdir()}
    assert {("synced", path) for path in (*files, str(folder / "log.jsonl"))} <= set(events[:place])
    assert ("synced", str(state.parent)) in events[place:]


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


@pytest.mark.slow
def test_a_second_run_in_the_folder_is_refused_and_a_killed_one_holds_nothing(tmp_path):
    line = command(SMOKE / "sr_x4_l1.yml", tmp_path, *SHORT, LIGHT, "train.total_iter=100000")
    first = subprocess.Popen(line, cwd=RECIPES.parent, stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline().startswith("smoke_sr_x4_l1: cpu")
        for again in (False, True):
            with pytest.raises(irq.UsageError, match="smoke_sr_x4_l1: another run is writing there"):
                train(tmp_path, auto_resume=again)
    finally:
        first.kill()
        first.wait()
    assert len(list(tmp_path.glob("experiments/*"))) == 1
    train(tmp_path, auto_resume=True)


KILLED_ON_ONE = """
import os, signal
from ir_quality_plugin.engine.step import Step
take = Step.__call__
def step(self, batches, iteration):
    if iteration == 3 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.{name})
    return take(self, batches, iteration)
Step.__call__ = step
"""


def line_of_one_of_two(name, root):
    (root / "signalled.py").write_text(KILLED_ON_ONE.format(name=name))
    return command(SMOKE / "sr_x4_ckdn.yml", root, *SHORT, LIGHT, processes=2, more=["--import", "signalled"])


def states_of(root):
    (states,) = root.glob("experiments/*/training_states")
    return sorted(path.name for path in states.iterdir())


@pytest.mark.slow
def test_one_of_two_processes_that_is_asked_to_stop_stops_both_with_the_state_saved(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    line = line_of_one_of_two("SIGTERM", tmp_path)
    done = subprocess.run(line, cwd=RECIPES.parent, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 1  # torchrun's own
    assert states_of(tmp_path) == ["2", "3"]
    assert "stopped by SIGTERM: 3 of 6 iterations are done and saved" in done.stderr
    assert "exitcode  : 143" in done.stderr


@pytest.mark.slow
def test_a_process_whose_fellow_is_killed_ends_by_itself_and_says_so(tmp_path):
    """Without a launcher that would end it, as on two machines."""
    line = line_of_one_of_two("SIGKILL", tmp_path)
    module = line.index("ir_quality_plugin.train")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            [line[0], "-m", *line[module:]],
            cwd=RECIPES.parent,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **address, "RANK": rank, "LOCAL_RANK": rank, "PYTHONPATH": str(tmp_path)},
        )
        for rank in "01"
    ]
    errors = [process.communicate(timeout=240)[1] for process in processes]
    assert [process.returncode for process in processes] == [1, -signal.SIGKILL], errors[0][-3000:]
    assert "another process of this run has ended" in errors[0] and "training_states/2, with --auto_resume" in errors[0]
    assert "Traceback" not in errors[0]
    assert states_of(tmp_path) == ["2"]


def test_a_clock_that_went_back_overwrites_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda form: "20200101_000000")
    short = ("train.total_iter=4", "logger.save_checkpoint_freq=2")
    for _ in range(3):
        train(tmp_path, *short)
    assert len(list(tmp_path.glob("experiments/*archived*"))) == 2
    earlier = f"path.resume_state={next(tmp_path.glob('experiments/smoke_sr_x4_l1/training_states/2'))}"
    for _ in range(2):
        folder, _ = train(tmp_path, *short, earlier)
    assert len(list(folder.glob("left_at_2_*/training_states/4"))) == 2
