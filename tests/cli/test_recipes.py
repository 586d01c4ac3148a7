"""`irq recipes`: what ships can be listed, copied and validated, and the schema is the present one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import ir_quality_plugin.integrations

pytest.importorskip("basicsr")
pytest.importorskip("pyiqa")

from ir_quality_plugin.engine.schema import schema
from ir_quality_plugin.integrations.register import register

RECIPES = Path(__file__).parents[2] / "recipes"
assert ir_quality_plugin.integrations


def test_all_recipes_are_listed_with_their_titles(run):
    code, out, _ = run("recipes", "ls", "--json")
    assert code == 0
    assert set(json.loads(out)) == {f"{path.parent.name}/{path.stem}" for path in RECIPES.glob("*/*.yml")}
    assert all(json.loads(out).values())


@pytest.mark.slow
def test_a_copied_recipe_runs_by_the_command_of_its_header(run, tmp_path):
    code, out, _ = run("recipes", "cp", "smoke/sr_x4_l1", tmp_path)
    assert code == 0
    command = out.split(" with irq ")[1].split()
    more = ["--set", "train.total_iter=2", "--set", "val.val_freq=2"]
    finished = subprocess.run(
        [sys.executable, "-m", "ir_quality_plugin", *command, *more], cwd=tmp_path, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "experiments" / "smoke_sr_x4_l1" / "models" / "net_g_2.pth").is_file()


def test_a_copy_overwrites_nothing(run, tmp_path):
    run("recipes", "cp", "basicsr/sr_x4_l1", tmp_path)
    copy = tmp_path / "recipes" / "basicsr" / "sr_x4_l1.yml"
    copy.write_text("mine")
    code, _, err = run("recipes", "cp", "basicsr/sr_x4_l1", tmp_path)
    assert code == 2
    assert "is there already" in err
    assert copy.read_text() == "mine"


def test_a_copy_brings_the_scripts_that_the_recipe_names(run, tmp_path):
    run("recipes", "cp", "ckdn/compact", tmp_path)
    copied = {path.name for path in (tmp_path / "recipes" / "compact").iterdir()}
    assert copied == {path.name for path in (RECIPES / "compact").iterdir() if path.is_file()}


def test_an_unknown_recipe_is_answered_with_the_nearest(run, tmp_path):
    code, _, err = run("recipes", "cp", "smoke/sr_x4_ckdm", tmp_path)
    assert code == 2
    assert "did you mean 'smoke/sr_x4_ckdn'" in err


def test_good_and_bad_files_are_told_apart(run, monkeypatch):
    monkeypatch.chdir(RECIPES.parent)
    good, bad = RECIPES / "smoke" / "sr_x4_ckdn.yml", RECIPES / "smoke" / "nope.yml"
    code, out, err = run("recipes", "validate", good, bad, "--images")
    assert code == 1
    assert f"{good}: ok" in out and f"{bad}: cannot be read" in out
    assert "1 of 2 files are wrong" in err
    code, out, _ = run("recipes", "validate", good, "--set", "train.quality_opt.balence=1")
    assert code == 1
    assert "did you mean 'balance'" in out


def test_the_schema_beside_the_recipes_is_the_present_one():
    register()
    written = json.loads((RECIPES / "schema.json").read_text())
    assert written == json.loads(json.dumps(schema())), "irq recipes schema --out recipes/schema.json writes it anew"


def test_the_schema_knows_the_options_of_each_loss():
    register()
    losses = schema()["$defs"]["TrainOptions"]["properties"]["quality_opt"]["anyOf"][0]["anyOf"]
    ckdn = next(entry for entry in losses if entry["properties"]["type"]["const"] == "DegradedReferenceQualityLoss")
    assert {"scorer", "balance", "ceiling", "warmup_iter"} <= set(ckdn["properties"])
    assert ckdn["additionalProperties"] is False
    assert ckdn["properties"]["reduction"]["enum"] == ["none", "mean", "sum"]
