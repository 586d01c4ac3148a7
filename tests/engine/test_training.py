"""Runs of the engine: what they write, exact resumes after real kills, several processes, and steps that fail."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from engine_runs import RECIPES, SHORT, command, equal, networks

import ir_quality_plugin as irq
from ir_quality_plugin.engine.loop import train
from ir_quality_plugin.engine.options import read_options

SMOKE = RECIPES / "smoke"
TRAINED_HERE = sorted(path.stem for path in SMOKE.glob("*.yml"))


def run(name, root, *overrides, auto_resume=False):
    """A short run in this process; gives its folder and what it said."""
    said = []
    folder = train(read_options(SMOKE / f"{name}.yml", [*SHORT, *overrides]), root, auto_resume, said.append)
    return folder, said


def log_of(folder, kind):
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [entry for entry in entries if entry["kind"] == kind]


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED_HERE)
def test_a_recipe_of_basicsrs_trainer_runs_here_too(name, tmp_path):
    folder, said = run(name, tmp_path, "val.save_img=true", "logger.use_tb_logger=true")
    options = yaml.safe_load((SMOKE / f"{name}.yml").read_text())
    assert folder == tmp_path / "experiments" / options["name"]
    generators = {f"net_g_{end}.pth" for end in (2, 4, 6, "latest")}
    assert generators <= {path.name for path in (folder / "models").iterdir()}
    assert sorted(path.name for path in (folder / "training_states").iterdir()) == ["2", "4", "6"]
    assert len(list((folder / "visualization").glob("*/*_6.png"))) == 4
    assert list((tmp_path / "tb_logger" / options["name"]).iterdir())
    assert [entry["iter"] for entry in log_of(folder, "train")] == [1, 2, 3, 4, 5, 6]
    validations = log_of(folder, "val")
    assert [entry["iter"] for entry in validations] == [3, 6]
    assert all(len(scores) == 4 for entry in validations for scores in entry["scores"].values())
    assert set(validations[0]["mean"]) == set(options["val"]["metrics"])
    assert said[0].startswith(f"{options['name']}: ") and "train 8 images, val 4 images" in said[0]
    assert said[-1].startswith("done: best ") and str(folder) in said[-1]
    if "quality_opt" in options["train"]:
        assert {"l_pix", "l_quality", "quality_factor"} <= set(log_of(folder, "train")[0])
    if "optim_d" in options["train"]:
        assert {"l_g_gan", "l_d_real", "l_d_fake"} <= set(log_of(folder, "train")[0])
        assert (folder / "models" / "net_d_6.pth").is_file()


def test_basicsr_loads_what_is_saved(tmp_path):
    from basicsr.archs import build_network

    run("sr_x4_l1", tmp_path)
    saved = networks(tmp_path)["net_g_6.pth"]
    assert set(saved) == {"params", "params_ema"}
    network = build_network(yaml.safe_load((SMOKE / "sr_x4_l1.yml").read_text())["network_g"])
    for key in saved:
        network.load_state_dict(saved[key], strict=True)


DIES_IN_A_STEP = """
import os, signal, sys
from ir_quality_plugin.engine import objective
take = objective.Step.__call__
def step(self, batches, iteration):
    if iteration == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return take(self, batches, iteration)
objective.Step.__call__ = step
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


@pytest.mark.slow
def test_two_processes_follow_the_trajectory_of_one_with_the_joint_batch(tmp_path, launch):
    overrides = [*SHORT, "train.total_iter=8", "val.val_freq=8"]
    launch("sr_x4_ckdn", tmp_path / "one", *overrides, "datasets.train.batch_size_per_gpu=4")
    launch("sr_x4_ckdn", tmp_path / "two", *overrides, "datasets.train.batch_size_per_gpu=2", processes=2)
    one, two = (next((tmp_path / name).glob("experiments/*")) for name in ("one", "two"))
    for first, second in zip(log_of(one, "train"), log_of(two, "train"), strict=True):
        for name in ("l_pix", "l_fidelity", "quality_score", "quality_factor"):
            # Sums of single precision in another order; Adam amplifies what is left of it.
            assert second[name] == pytest.approx(first[name], rel=1e-3), (first["iter"], name)
    (counted_by_one,), (counted_by_two,) = log_of(one, "val"), log_of(two, "val")
    assert counted_by_two["scores"].keys() == counted_by_one["scores"].keys()
    for metric, scores in counted_by_one["scores"].items():
        assert counted_by_two["scores"][metric] == pytest.approx(scores, rel=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_validation_image_counts_once_for_any_number_of_processes(processes, tmp_path, launch):
    launch("sr_x4_l1", tmp_path, *SHORT, "train.total_iter=1", processes=processes)
    (entry,) = log_of(next(tmp_path.glob("experiments/*")), "val")
    assert {len(scores) for scores in entry["scores"].values()} == {4}  # 4 images do not divide by 3


@pytest.mark.slow
def test_a_resume_on_another_number_of_processes_is_refused_with_the_way_out(tmp_path, launch):
    launch("sr_x4_l1", tmp_path, *SHORT, "train.total_iter=2")
    printed = launch("sr_x4_l1", tmp_path, *SHORT, processes=2, more=["--auto_resume"], code=1)
    assert "was written by 1 processes, this run has 2" in printed
    assert "path.pretrain_network_g" in printed


def test_an_earlier_run_of_the_name_is_put_aside(tmp_path):
    run("sr_x4_l1", tmp_path)
    run("sr_x4_l1", tmp_path)
    assert len(list((tmp_path / "experiments").glob("smoke_sr_x4_l1*"))) == 2
    assert len(list((tmp_path / "experiments").glob("smoke_sr_x4_l1_archived_*"))) == 1


def test_the_last_states_are_kept(tmp_path):
    folder, _ = run("sr_x4_l1", tmp_path, "logger.save_checkpoint_freq=1", "logger.keep_states=2")
    assert sorted(path.name for path in (folder / "training_states").iterdir()) == ["5", "6"]


def test_the_resolved_options_are_saved_and_train_the_same_again(tmp_path):
    folder, _ = run("sr_x4_l1", tmp_path / "first", "train.optim_g.lr=1e-3")
    assert yaml.safe_load((folder / "options.yml").read_text())["train"]["optim_g"]["lr"] == 1e-3
    train(read_options(folder / "options.yml"), tmp_path / "second", say=lambda line: None)
    assert equal(networks(tmp_path / "first")["net_g_6.pth"], networks(tmp_path / "second")["net_g_6.pth"])


def test_accumulated_batches_are_one_larger_batch(tmp_path):
    run("sr_x4_l1", tmp_path / "large", "datasets.train.batch_size_per_gpu=4")
    run("sr_x4_l1", tmp_path / "small", "datasets.train.batch_size_per_gpu=2", "train.accumulate=2")
    large, small = (networks(tmp_path / name)["net_g_6.pth"]["params"] for name in ("large", "small"))
    for name, tensor in large.items():
        torch.testing.assert_close(small[name], tensor, rtol=1e-3, atol=1e-5)  # another order of summation


@pytest.mark.parametrize(
    "override", ["train.mixed_precision=bf16", "train.channels_last=true", "train.clip_grad_norm=0.1"]
)
def test_ways_to_compute_stay_near_the_plain_one(override, tmp_path):
    plain, _ = run("sr_x4_l1", tmp_path / "plain")
    other, _ = run("sr_x4_l1", tmp_path / "other", override)
    for first, second in zip(log_of(plain, "train"), log_of(other, "train"), strict=True):
        assert second["l_pix"] == pytest.approx(first["l_pix"], rel=0.05)


class Poisoned(torch.nn.Module):
    """A criterion that is not finite at some calls."""

    def __init__(self, bad):
        super().__init__()
        self.bad, self.calls = set(bad), 0

    def forward(self, restored, reference):
        self.calls += 1
        return (restored - reference).abs().mean() * (torch.nan if self.calls in self.bad else 1.0)


@pytest.fixture
def poison(monkeypatch):
    def set_up(bad):
        from ir_quality_plugin.integrations import basicsr_parts

        build = basicsr_parts.build_criterion
        monkeypatch.setattr(
            basicsr_parts,
            "build_criterion",
            lambda entry: Poisoned(bad) if entry and "L1" in entry["type"] else build(entry),
        )

    return set_up


def test_a_step_that_is_not_finite_changes_nothing_and_is_counted(tmp_path, poison):
    poison([2])
    folder, said = run("sr_x4_l1", tmp_path, "logger.save_checkpoint_freq=1", "logger.keep_states=9")
    saved = networks(tmp_path)
    assert equal({"params": saved["net_g_1.pth"]["params"]}, {"params": saved["net_g_2.pth"]["params"]})
    assert not equal(saved["net_g_2.pth"], saved["net_g_3.pth"])
    assert [entry["skipped"] for entry in log_of(folder, "train")] == [0, 1, 1, 1, 1, 1]
    assert "1 steps were skipped as not finite" in said[-1]


def test_too_many_of_them_in_a_row_stop_the_run_with_what_it_knows(tmp_path, poison):
    poison([3, 4, 5])
    with pytest.raises(irq.QualityPluginError, match=r"stops at iteration 5: 3 steps in a row .* last state is .*/4;"):
        run("sr_x4_l1", tmp_path, "train.nonfinite_limit=3")


def test_a_damaged_state_is_named(tmp_path):
    folder, _ = run("sr_x4_l1", tmp_path)
    weights = folder / "training_states" / "6" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(irq.CheckpointError, match=r"cannot resume from .*training_states/6 .*name an earlier state"):
        run("sr_x4_l1", tmp_path, auto_resume=True)
    _, said = run("sr_x4_l1", tmp_path, f"path.resume_state={folder / 'training_states' / '4'}")
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


GAMED = ["train.pixel_opt.loss_weight=1e-6", "train.quality_opt.balance=1e6", "train.total_iter=60", "val.val_freq=10"]


def guarded(action):
    return f"train.guard={{optimised: ckdn, metrics: [ssim, psnr], action: {action}}}"


@pytest.mark.slow
def test_the_guard_stops_a_run_that_games_its_scorer_and_says_why(tmp_path):
    folder, said = run("sr_x4_ckdn", tmp_path, *GAMED, guarded("stop"))
    (fired,) = log_of(folder, "guard")
    last = log_of(folder, "val")[-1]
    assert fired["iter"] == last["iter"] < 60
    assert any(line.startswith(f"the guard at iteration {last['iter']}: since iteration 10") for line in said)
    assert (folder / "models" / f"net_g_{last['iter']}.pth").is_file()


@pytest.mark.slow
def test_the_guard_returns_to_the_best_state_if_asked(tmp_path):
    _folder, said = run("sr_x4_ckdn", tmp_path, *GAMED, guarded("restore_best"), "logger.save_checkpoint_freq=10")
    saved = networks(tmp_path)
    assert equal(saved["net_g_latest.pth"], saved["net_g_10.pth"])
    assert any("returned to iteration 10" in line for line in said)


@pytest.mark.slow
def test_the_guard_warns_and_lets_the_run_go_on(tmp_path):
    folder, _ = run("sr_x4_ckdn", tmp_path, *GAMED, guarded("warn"), "train.total_iter=30")
    assert [entry["iter"] for entry in log_of(folder, "guard")] == [20, 30]
    assert (folder / "models" / "net_g_30.pth").is_file()


@pytest.mark.slow
def test_the_guard_is_silent_on_a_healthy_run(tmp_path):
    folder, _ = run("sr_x4_ckdn", tmp_path, guarded("stop"), "train.total_iter=60", "val.val_freq=10")
    assert log_of(folder, "guard") == []
    assert log_of(folder, "val")[-1]["iter"] == 60


OWN_TYPES = """
import torch
from basicsr.utils.registry import ARCH_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY

@ARCH_REGISTRY.register()
class OwnNet(torch.nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.enlarge = torch.nn.Sequential(torch.nn.Conv2d(3, 48 * width // width, 3, 1, 1), torch.nn.PixelShuffle(4))
    def forward(self, degraded):
        return self.enlarge(degraded)

@LOSS_REGISTRY.register()
class OwnLoss(torch.nn.Module):
    def __init__(self, power=2.0):
        super().__init__()
        self.power = power
    def forward(self, restored, reference):
        return (restored - reference).abs().pow(self.power).mean()

@METRIC_REGISTRY.register()
def own_metric(img, img2, **options):
    return float(img.mean())
"""


@pytest.mark.slow
def test_types_that_a_user_registers_are_trained_and_their_keys_checked(tmp_path):
    (tmp_path / "own_types.py").write_text(OWN_TYPES)
    own = ["network_g={type: OwnNet, width: 2}", "train.pixel_opt={type: OwnLoss, power: 1.5}", "train.quality_opt="]
    own += ["val.metrics={own: {type: own_metric, better: higher}}"]

    def call(*overrides):
        line = command(SMOKE / "sr_x4_ckdn.yml", tmp_path, *SHORT, *own, *overrides, more=["--import", "own_types"])
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        return subprocess.run(line, cwd=RECIPES.parent, capture_output=True, text=True, env=environment)

    finished = call()
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert "OwnNet" in finished.stdout and "best own" in finished.stdout
    wrong = call("network_g.wdith=3")
    assert wrong.returncode == 2
    assert "network_g: OwnNet has no option 'wdith'; did you mean 'width'" in wrong.stderr


BROKEN_ON_ONE = """
import os, torch
from basicsr.utils.registry import ARCH_REGISTRY

@ARCH_REGISTRY.register()
class OftenNaN(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.enlarge = torch.nn.Sequential(torch.nn.Conv2d(3, 48, 3, 1, 1), torch.nn.PixelShuffle(4))
        self.calls = 0
    def forward(self, degraded):
        self.calls += self.training
        broken = self.training and self.calls == 2 and os.environ.get("RANK") == "1"
        return self.enlarge(degraded) * (torch.nan if broken else 1.0)
"""


@pytest.mark.slow
def test_nan_on_one_of_two_processes_skips_the_step_on_both_and_nobody_waits(tmp_path):
    (tmp_path / "broken_on_one.py").write_text(BROKEN_ON_ONE)
    overrides = [*SHORT, "network_g={type: OftenNaN}", "train.ema_decay=0"]
    line = command(SMOKE / "sr_x4_ckdn.yml", tmp_path, *overrides, processes=2, more=["--import", "broken_on_one"])
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    finished = subprocess.run(line, cwd=RECIPES.parent, capture_output=True, text=True, env=environment, timeout=120)
    assert finished.returncode == 0, finished.stderr[-3000:]
    entries = log_of(next(tmp_path.glob("experiments/*")), "train")
    assert [entry["skipped"] for entry in entries] == [0, 1, 1, 1, 1, 1]
    assert "l_quality" in entries[0] and "l_quality" not in entries[1]


def test_a_module_that_is_not_there_is_named(tmp_path):
    line = command(SMOKE / "sr_x4_l1.yml", tmp_path, more=["--import", "no_such_module"])
    finished = subprocess.run(line, cwd=RECIPES.parent, capture_output=True, text=True)
    assert finished.returncode == 2
    assert "--import no_such_module: No module named 'no_such_module'" in finished.stderr
    assert "Traceback" not in finished.stderr


class Overflows(torch.nn.Module):
    """A network whose output is infinite at some calls, although its gradient is finite."""

    def __init__(self, network, bad):
        super().__init__()
        self.network, self.bad, self.calls = network, set(bad), 0

    def forward(self, degraded):
        self.calls += self.training
        restored = self.network(degraded)
        return restored + (torch.inf if self.training and self.calls in self.bad else 0.0)


@pytest.fixture
def overflow(monkeypatch):
    def set_up(bad):
        from ir_quality_plugin.integrations import basicsr_parts

        build = basicsr_parts.build_network
        monkeypatch.setattr(basicsr_parts, "build_network", lambda entry: Overflows(build(entry), bad))

    return set_up


@pytest.mark.parametrize("accumulate", [1, 2])
def test_an_infinite_image_is_not_trained_on_whatever_its_gradient_is(accumulate, tmp_path, overflow):
    overflow([2 * accumulate])
    options = ["logger.save_checkpoint_freq=1", "logger.keep_states=9", f"train.accumulate={accumulate}"]
    folder, _ = run("sr_x4_ckdn", tmp_path, *options)
    saved = networks(tmp_path)
    assert equal(saved["net_g_1.pth"], saved["net_g_2.pth"])
    assert not equal(saved["net_g_2.pth"], saved["net_g_3.pth"])
    assert [entry["skipped"] for entry in log_of(folder, "train")] == [0, 1, 1, 1, 1, 1]


def test_two_optimisers_under_a_gradient_scaler_move_as_without_it(tmp_path):
    run("esrgan_x4_ckdn", tmp_path / "plain")
    scaled, _ = run("esrgan_x4_ckdn", tmp_path / "scaled", "train.mixed_precision=fp16")
    for kind in ("net_g_6.pth", "net_d_6.pth"):
        start, end = networks(tmp_path / "plain")[kind.replace("6", "2")], networks(tmp_path / "plain")[kind]
        other = networks(tmp_path / "scaled")[kind]
        moved = sum((end["params"][n] - start["params"][n]).abs().sum() for n in end["params"])
        apart = sum((end["params"][n] - other["params"][n]).abs().sum() for n in end["params"])
        assert apart < moved  # half precision differs, a gradient divided by the scale twice would not move at all
    assert log_of(scaled, "train")[-1]["skipped"] <= 2


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


@pytest.mark.slow
def test_a_compiled_network_is_saved_as_a_plain_one(tmp_path, monkeypatch):
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network: compile_(network, backend="eager"))
    run("sr_x4_l1", tmp_path / "compiled", "train.compile=true")
    run("sr_x4_l1", tmp_path / "plain")
    compiled, plain = (networks(tmp_path / name)["net_g_6.pth"] for name in ("compiled", "plain"))
    assert equal(compiled, plain)


@pytest.mark.slow
def test_a_run_that_the_guard_stopped_does_not_go_on_by_itself(tmp_path):
    run("sr_x4_ckdn", tmp_path, *GAMED, guarded("stop"))
    with pytest.raises(irq.UsageError, match=r"this run was stopped .*to go on: train\.guard\.action=warn"):
        run("sr_x4_ckdn", tmp_path, *GAMED, guarded("stop"), auto_resume=True)
