"""Runs of the engine: what they write, how they compute, and steps that fail."""

import os
import subprocess

import pytest
import torch
import yaml
from engine_runs import RECIPES, SHORT, SMOKE, command, equal, log_of, networks, run

import ir_quality_plugin as irq
from ir_quality_plugin.engine.loop import train
from ir_quality_plugin.engine.options import read_options

TRAINED_HERE = sorted(path.stem for path in SMOKE.glob("*.yml"))


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


@pytest.mark.slow
def test_a_compiled_network_is_saved_as_a_plain_one(tmp_path, monkeypatch):
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network: compile_(network, backend="eager"))
    run("sr_x4_l1", tmp_path / "compiled", "train.compile=true")
    run("sr_x4_l1", tmp_path / "plain")
    compiled, plain = (networks(tmp_path / name)["net_g_6.pth"] for name in ("compiled", "plain"))
    assert equal(compiled, plain)
