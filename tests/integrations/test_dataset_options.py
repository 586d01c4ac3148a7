"""One bad value of a dataset is an error that names its place, before anything is built."""

from pathlib import Path

import pytest

import ir_quality_plugin.integrations

pytest.importorskip("basicsr")

from ir_quality_plugin.data.yaml12 import parse
from ir_quality_plugin.engine.kinds import check_all
from ir_quality_plugin.engine.options import check, read_options
from ir_quality_plugin.engine.preflight import preflight
from ir_quality_plugin.errors import UsageError
from ir_quality_plugin.integrations.basicsr_options import check_options
from ir_quality_plugin.integrations.dataset_options import check_dataset_values
from ir_quality_plugin.integrations.register import register

assert ir_quality_plugin.integrations
RECIPES = Path(__file__).parents[2] / "recipes"
BAD = {
    "dataroot_gt": [3, [], {}],
    "batch_size_per_gpu": ["x", -1, 0, 1.5, True, 10**400],
    "num_worker_per_gpu": [-1, "x"],
    "gt_size": ["x", 0],
    "io_backend": [3, {}, {"type": 3}],
    "filename_tmpl": ["{", "x", "{}{}", "{0}", "{:>250000000}", "{!r}", 3, "{{}}"],
    "meta_info_file": [3],
    "dataset_enlarge_ratio": ["x", 0, float("nan")],
    "prefetch_mode": ["tpu", []],
    "use_hflip": ["yes", 3],
    "scale": ["x"],
}
BAD_OF_SCORERS = {
    "mos_range": [[1, 1], ["a", "b"], [0, float("nan")], [0], 3, [0, 10**400], [5, 1], [0, float("inf")]],
    "split": [3, {"shares": ["a"]}, {"shares": []}, {"seed": "x"}, {"by": 3}],
    "leave_out": ["06", [6]],
    "crop_px": ["x", 0],
    "patches": [-1],
    "layout": [[]],
    "dataroot": [3],
}


@pytest.fixture(autouse=True)
def at_the_clone(monkeypatch):
    register()
    monkeypatch.chdir(RECIPES.parent)


def refused(recipe, key, value):
    content = parse((RECIPES / recipe).read_text(), "recipe")
    content["datasets"]["train"][key] = value
    with pytest.raises(UsageError, match=rf"datasets\.train\.{key}"):
        check_all(check(content, "recipe"))
    return content


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BAD.items() for value in values], ids=str)
def test_a_bad_value_is_named_by_either_trainer(key, value):
    content = refused("smoke/sr_x4_l1.yml", key, value)
    with pytest.raises(UsageError, match=rf"datasets\.train\.{key}=.*; expected "):
        check_options(content)


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in BAD_OF_SCORERS.items() for value in values], ids=str
)
def test_a_bad_value_of_a_scorers_set_is_named(key, value):
    refused("ckdn/smoke.yml", key, value)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*/*.yml")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_recipe_passes(path):
    for name, dataset in parse(path.read_text(), path.name).get("datasets", {}).items():
        check_dataset_values(dataset, name)


def test_templates_with_one_place_pass():
    for template in ("{}", "{}x4", "a {} b"):
        check_dataset_values({"filename_tmpl": template, "gt_size": None, "mos_range": [0, 1.5]}, "datasets.train")


@pytest.mark.parametrize(("value", "message"), [("/dev/zero", "expected a regular file"), ("empty.txt", "has no line")])
def test_a_list_of_images_without_end_or_line_is_named(tmp_path, value, message):
    (tmp_path / "empty.txt").write_text("\n")
    path = tmp_path / value if value == "empty.txt" else value
    options = read_options(RECIPES / "smoke" / "sr_x4_l1.yml", [f"datasets.train.meta_info_file={path}"])
    check_all(options)
    with pytest.raises(UsageError, match=message):
        preflight(options)


def test_a_set_of_pairs_without_one_folder_is_named():
    options = read_options(RECIPES / "smoke" / "sr_x4_l1.yml", ["datasets.train.dataroot_lq=null"])
    with pytest.raises(UsageError, match=r"datasets\.train\.dataroot_lq is missing"):
        preflight(options)


def test_a_value_that_basicsr_stumbles_over_is_an_error_of_ours(monkeypatch, tmp_path, capsys):
    from ir_quality_plugin.integrations import basicsr_trainer

    text = (RECIPES / "smoke" / "sr_x4_l1.yml").read_text()
    (tmp_path / "a.yml").write_text(text.replace("recipes/smoke/photographs/train/gt", "3"))
    monkeypatch.setattr("sys.argv", ["basicsr", "-opt", str(tmp_path / "a.yml")])
    with pytest.raises(SystemExit) as stop:
        basicsr_trainer.train(tmp_path)
    assert stop.value.code == 2
    assert "irq recipes validate says which value is wrong" in capsys.readouterr().err
