"""`irq` as a user meets it: tables, JSON, exit codes, and errors without a traceback."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from golden import released_weights
from PIL import Image

import ir_quality_plugin as irq
from ir_quality_plugin.cli import app
from ir_quality_plugin.data.images import read_image


@pytest.fixture(autouse=True)
def own_weights_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("IRQ_WEIGHTS", str(tmp_path / "weights"))


@pytest.fixture
def run(monkeypatch, capsys):
    """Call the console entry in this process: exit code, standard output, standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["irq", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            app.main()
        output = capsys.readouterr()
        assert "Traceback" not in output.err
        return stop.value.code or 0, output.out, output.err

    return call


@pytest.fixture
def photos(tmp_path):
    """Three restored images and their degraded inputs at a half of the size."""
    draw = np.random.RandomState(0)
    for name in ("one", "two", "three"):
        for folder, size in (("restored", 64), ("degraded", 32)):
            path = tmp_path / folder / f"{name}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(draw.randint(0, 256, (size, size, 3), dtype=np.uint8)).save(path)
    return tmp_path


BLIND = ("--scorer", "teacheriqa-s", "--weights", "random")
DEGRADED = ("--scorer", "ckdn-s", "--weights", "random")


def test_a_folder_is_scored_as_the_scorer_scores_it(run, photos):
    code, out, _ = run("score", photos / "restored", "--degraded", photos / "degraded", *DEGRADED, "--json")
    document = json.loads(out)
    assert code == document["failed"] == 0
    assert document["direction"] == "higher is better"
    assert [row["image"] for row in document["results"]] == [
        str(photos / "restored" / f"{name}.png") for name in ("one", "three", "two")
    ]
    scorer = irq.load_scorer("ckdn-s", weights="random")
    for row in document["results"]:
        restored = read_image(row["image"])[None]
        degraded = read_image(row["image"].replace("restored", "degraded"))[None]
        assert row["score"] == pytest.approx(scorer(restored, degraded).item(), abs=1e-6)


def test_the_table_says_what_the_numbers_mean(run, photos):
    code, out, _ = run("score", photos / "restored" / "one.png", *BLIND)
    assert code == 0
    assert "teacheriqa-s, higher is better" in out
    assert "random weights: these scores mean nothing" in out
    assert "one.png" in out


def test_one_reference_serves_all_and_one_each_goes_in_order(run, photos):
    images = [photos / "restored" / f"{name}.png" for name in ("one", "two")]
    guides = [photos / "degraded" / f"{name}.png" for name in ("two", "one")]
    shared = json.loads(run("score", *images, "--degraded", guides[0], *DEGRADED, "--json")[1])["results"]
    each = json.loads(run("score", *images, "--degraded", guides[0], "--degraded", guides[1], *DEGRADED, "--json")[1])
    assert shared[0] == each["results"][0]
    assert shared[1] != each["results"][1]


def test_broken_images_among_good_ones_are_listed_and_the_good_scored(run, photos):
    (photos / "restored" / "broken.png").write_text("no image")
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(photos / "restored" / "tiny.png")
    code, out, err = run("score", photos / "restored", photos / "missing.png", *BLIND, "--json")
    rows = {row["image"].rsplit("/")[-1]: row for row in json.loads(out)["results"]}
    assert code == 1
    assert "3 of 6 images could not be scored" in err
    assert [name for name, row in rows.items() if "score" in row] == ["one.png", "three.png", "two.png"]
    assert "it is no image" in rows["broken.png"]["error"]
    assert "at least 32x32" in rows["tiny.png"]["error"]
    assert "there is nothing" in rows["missing.png"]["error"]
    code, out, _ = run("score", photos / "restored", *BLIND)
    assert code == 1
    assert "failed: cannot read" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scorer", "ckdm"), "no scorer is named 'ckdm'; did you mean 'ckdn'"),
        (("--scorer", "ckdn-s"), "needs --degraded PATH"),
        (("--scorer", "cvrkd-s"), "needs --reference PATH"),
        (("--scorer", "ckdn-s", "--full-reference"), "needs --reference PATH"),
        (("--scorer", "ckdn-s", "--degraded", "missing.png"), "no such file"),
        ((*BLIND, "--protocol", "whole"), "protocol='whole'; expected one of grid, released"),
        ((*BLIND, "--patches", "0"), "positive whole number"),
        ((*BLIND, "--device", "nowhere"), "--device nowhere"),
        ((*BLIND, "--patches", "many"), "patches"),
        ((), "--scorer"),
    ],
)
def test_a_wrong_call_exits_with_two_and_says_what_was_expected(run, photos, arguments, message):
    code, out, err = run("score", photos / "restored" / "one.png", *arguments)
    assert code == 2
    assert message in err
    assert not out


def test_guides_that_do_not_match_are_named_before_anything_is_scored(run, photos):
    (photos / "degraded" / "two.png").unlink()
    code, out, err = run("score", photos / "restored", "--degraded", photos / "degraded", *DEGRADED)
    assert (code, out) == (2, "")
    assert "two.png" in err
    one = photos / "degraded" / "one.png"
    code, _, err = run("score", photos / "restored", "--degraded", one, "--degraded", one, *DEGRADED)
    assert code == 2
    assert "given 2 times for 3 images" in err


def test_missing_weights_exit_with_one(run, photos):
    code, _, err = run("score", photos / "restored", "--scorer", "teacheriqa")
    assert code == 1
    assert "irq: no weights of teacheriqa are at hand" in err


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    path = tmp_path_factory.mktemp("released") / "CKDN.pth"
    torch.save({"state_dict": released_weights("ckdn")}, path)
    return path


def test_a_released_file_converts_and_loads_back_to_the_same_scores(run, photos, released):
    out = photos / "new" / "ckdn.safetensors"
    code, text, _ = run("weights", "convert", released, "--scorer", "ckdn", "--out", out)
    assert code == 0
    assert "protocol released" in text
    call = ("score", photos / "restored", "--degraded", photos / "degraded", "--scorer", "ckdn", "--json", "--weights")
    assert json.loads(run(*call, released)[1]) == json.loads(run(*call, out)[1])
    assert run("weights", "convert", released, "--scorer", "ckdn", "--out", out)[0] == 2
    assert run("weights", "convert", released, "--scorer", "ckdn", "--out", out, "--force")[0] == 0


def test_a_converted_file_is_found_by_name_and_verified(run, photos, released):
    assert "no weights are at hand" in run("weights", "verify")[1]
    assert run("weights", "convert", released, "--scorer", "ckdn", "--json")[0] == 0
    code, out, _ = run("weights", "verify", "--json")
    assert code == 0
    assert [row["scorer"] for row in json.loads(out)["results"]] == ["ckdn"]
    path = photos / "weights" / "ckdn.safetensors"
    listed = {row["name"]: row for row in json.loads(run("weights", "ls", "--json")[1])}
    assert listed["ckdn"]["path"] == str(path)
    assert listed["ckdn"]["licence"] == "MIT"
    assert listed["cvrkd"]["path"] is None
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(content)
    code, out, _ = run("weights", "verify")
    assert code == 1
    assert "failed" in out and "checksum" in out


def test_conversion_refuses_what_is_no_such_checkpoint(run, photos, released, tmp_path):
    code, _, err = run("weights", "convert", released, "--scorer", "cvrkd")
    assert code == 1
    assert "holds weights of ckdn, not of cvrkd" in err
    assert run("weights", "convert", released, "--scorer", "ckdn", "--out", tmp_path / "ckdn.pth")[0] == 2
    (tmp_path / "file").write_text("in the way")
    code, _, err = run("weights", "convert", released, "--scorer", "ckdn", "--out", tmp_path / "file" / "c.safetensors")
    assert code == 1
    assert "cannot write" in err


def test_the_list_names_every_scorer(run):
    code, out, _ = run("weights", "ls")
    assert code == 0
    assert all(card.name in out for card in irq.list_scorers())


@pytest.mark.parametrize("arguments", [(), ("--help",), ("score", "--help"), ("weights", "convert", "--help")])
def test_help_is_everywhere(run, arguments):
    code, out, _ = run(*arguments)
    assert code == 0
    assert "irq" in out
    assert not arguments[1:] or "Example: irq" in out


@pytest.mark.parametrize(
    "command", [[sys.executable, "-m", "ir_quality_plugin"], [Path(sys.executable).with_name("irq")]]
)
def test_the_installed_command_and_the_module_are_one(command):
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout == f"ir_quality_plugin {irq.__version__}\n"


def test_the_command_line_starts_without_torch():
    code = "import sys; import ir_quality_plugin.cli.app; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
