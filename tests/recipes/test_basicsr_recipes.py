"""Smoke recipes train, validate, save, stop and resume through BasicSR's own trainer; the full ones are checked."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import ir_quality_plugin.integrations  # noqa: F401  # basicsr can be imported after it

pytest.importorskip("basicsr")
pytest.importorskip("pyiqa")

from ir_quality_plugin.integrations import basicsr_metrics
from ir_quality_plugin.integrations.basicsr_options import check_options
from ir_quality_plugin.integrations.register import register

RECIPES = Path(__file__).parents[2] / "recipes"
SMOKE = sorted((RECIPES / "smoke").glob("*.yml"))
FULL = sorted((RECIPES / "basicsr").glob("*.yml"))


def names(path):
    return path.stem


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder to train in, with the recipes where their commands expect them."""
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "recipes").symlink_to(RECIPES)
    return folder


def run(folder, recipe, *arguments, module="basicsr_train"):
    command = [sys.executable, "-m", f"ir_quality_plugin.{module}", "-opt", f"recipes/smoke/{recipe.name}", *arguments]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-4000:]
    return finished.stdout + finished.stderr


def weights_of(path):
    return torch.load(path, weights_only=True)["params"]


def test_there_is_a_smoke_recipe_for_every_full_one():
    assert [path.name for path in SMOKE] == [path.name for path in FULL]
    assert len(SMOKE) >= 10


@pytest.mark.parametrize("recipe", SMOKE + FULL, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_header_carries_the_command_that_runs_the_file(recipe):
    header = recipe.read_text().split("\n\n")[0]
    place = f"recipes/{recipe.parent.name}/{recipe.name}"
    assert f"#     irq train -opt {place}\n" in header
    assert f"#     python -m ir_quality_plugin.basicsr_train -opt {place}\n" in header
    assert header.endswith("# yaml-language-server: $schema=../schema.json")
    assert all(line.startswith("#") for line in header.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("recipe", SMOKE, ids=names)
def test_a_smoke_recipe_trains_validates_saves_stops_and_resumes(recipe, workplace):
    options = yaml.safe_load(recipe.read_text())
    last, half = options["train"]["total_iter"], options["logger"]["save_checkpoint_freq"]
    assert half < last
    experiment = workplace / "experiments" / options["name"]

    stopped = run(workplace, recipe, "--force_yml", f"train:total_iter={half}")
    for metric in options["val"]["metrics"]:
        assert re.search(rf"# {metric}: -?\d", stopped), f"{metric} was not validated"
    assert sorted(path.name for path in (experiment / "training_states").iterdir()) == [f"{half}.state"]

    resumed = run(workplace, recipe, "--auto_resume")
    assert f"Resuming training from epoch: {(half - 1) // 4}, iter: {half}." in resumed
    trained = weights_of(experiment / "models" / f"net_g_{last}.pth")
    assert any(
        not torch.equal(tensor, trained[name])
        for name, tensor in weights_of(experiment / "models" / f"net_g_{half}.pth").items()
    )
    assert all(tensor.isfinite().all() for tensor in trained.values())
    assert all("Validation photographs" in log.read_text() for log in experiment.glob("train_*.log"))
    pictures = list((experiment / "visualization").glob(f"*/*_{last}.png"))
    assert len(pictures) == 4
    if "quality_opt" in options["train"]:
        assert re.search(r"l_fidelity: .*l_quality: .*quality_(score|term): .*quality_factor: ", resumed)
        state = torch.load(experiment / "training_states" / f"{last}.state", weights_only=True)
        assert len(state["quality"]) == 1


@pytest.mark.slow
def test_a_network_trained_with_a_term_is_another_than_without(workplace):
    last = 40
    plain = weights_of(workplace / "experiments" / "smoke_sr_x4_l1" / "models" / f"net_g_{last}.pth")
    with_a_term = [path.stem for path in SMOKE if path.stem.startswith("sr_x4_") and path.stem != "sr_x4_l1"]
    assert len(with_a_term) == 6
    for name in with_a_term:
        other = weights_of(workplace / "experiments" / f"smoke_{name}" / "models" / f"net_g_{last}.pth")
        assert any(not torch.equal(tensor, other[key]) for key, tensor in plain.items()), name


@pytest.mark.slow
def test_the_tester_scores_a_trained_network(workplace):
    recipe = RECIPES / "smoke" / "sr_x4_ckdn.yml"
    options = yaml.safe_load(recipe.read_text())
    options["path"]["pretrain_network_g"] = f"experiments/{options['name']}/models/net_g_40.pth"
    (workplace / "test.yml").write_text(yaml.safe_dump(options))
    command = [sys.executable, "-m", "ir_quality_plugin.basicsr_test", "-opt", "test.yml"]
    finished = subprocess.run(command, cwd=workplace, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr[-4000:]
    log = finished.stdout + finished.stderr
    assert "# ckdn: " in log and "# ssim: " in log
    folder = workplace / "results" / options["name"] / "visualization" / "photographs"
    assert len(list(folder.glob("*.png"))) == 4


@pytest.mark.slow
def test_the_smoothed_balance_goes_on_after_a_resume(workplace, tmp_path):
    shutil.copytree(workplace / "experiments" / "smoke_sr_x4_ckdn", tmp_path / "experiments" / "smoke_sr_x4_ckdn")
    (tmp_path / "recipes").symlink_to(RECIPES)
    before = torch.load(
        tmp_path / "experiments" / "smoke_sr_x4_ckdn" / "training_states" / "40.state", weights_only=True
    )
    run(
        tmp_path,
        RECIPES / "smoke" / "sr_x4_ckdn.yml",
        "--auto_resume",
        "--force_yml",
        "train:total_iter=41",
        "logger:save_checkpoint_freq=41",
    )
    after = torch.load(
        tmp_path / "experiments" / "smoke_sr_x4_ckdn" / "training_states" / "41.state", weights_only=True
    )
    then, now = (state["quality"][0]["_extra_state"] for state in (before, after))
    assert (then["calls"], now["calls"]) == (40, 41)
    # One step moves an average of momentum 0.9 by a tenth of the way, and never to a first measurement of its own.
    assert 0 < abs(now["smoothed"] - then["smoothed"]) < 0.5 * then["smoothed"]


@pytest.mark.parametrize("recipe", FULL, ids=names)
def test_a_full_recipe_names_what_is_there(recipe, monkeypatch):
    register()
    real = basicsr_metrics.load_scorer
    monkeypatch.setattr(
        basicsr_metrics, "load_scorer", lambda name, weights, **options: real(name, "random", **options)
    )
    basicsr_metrics.scorer_of.cache_clear()
    assert check_options(yaml.safe_load(recipe.read_text())) == []
    basicsr_metrics.scorer_of.cache_clear()
