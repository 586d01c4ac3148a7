"""`irq score`: tables, JSON, exit codes, and errors without a traceback."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

import ir_quality_plugin as irq
from ir_quality_plugin.cli.score import check_device
from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.scorers import CKDNScorer, TeacherIQAScorer

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


def test_shipped_weights_are_not_called_random(run, photos):
    guides = ["--degraded", photos / "restored" / "one.png", "--scorer", "ckdn-s"]
    code, out, _ = run("score", photos / "restored" / "one.png", *guides)
    assert code == 0
    assert "random" not in out


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
        (("--scorer", "ckdn-s", "--degraded", ".", "--degraded", "."), "a folder among several paths"),
        ((*BLIND, "--full-reference"), "--full-reference: teacheriqa-s takes no reference"),
        ((*BLIND, "--protocol", "whole"), "protocol='whole'; expected one of grid, released"),
        ((*BLIND, "--patches", "0"), "positive whole number"),
        ((*BLIND, "--device", "nowhere"), "--device nowhere"),
        ((*BLIND, "--device", "meta"), "--device meta"),
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


def test_missing_weights_are_a_wrong_call(run, photos):
    code, _, err = run("score", photos / "restored", "--scorer", "teacheriqa")
    assert code == 2
    assert "irq: no weights of teacheriqa are at hand" in err
    code, _, err = run("score", photos / "restored", "--scorer", "teacheriqa", "--weights", "nowhere.pth")
    assert code == 2
    assert "cannot read weights from nowhere.pth" in err


def test_a_wrong_call_is_refused_before_the_network_is_built(run, photos, monkeypatch):
    monkeypatch.setattr("ir_quality_plugin.catalog.build_network", lambda *_: pytest.fail("a network was built"))
    image, one = photos / "restored" / "one.png", photos / "degraded" / "one.png"
    for arguments in (DEGRADED, (*DEGRADED, "--degraded", one, "--degraded", one), (*BLIND, "--full-reference")):
        assert run("score", image, *arguments)[0] == 2


def test_a_broken_degraded_image_fails_its_own_image_alone(run, photos):
    (photos / "degraded" / "two.png").write_bytes(b"")
    code, out, _ = run("score", photos / "restored", "--degraded", photos / "degraded", *DEGRADED, "--json")
    document = json.loads(out)
    assert (code, document["failed"]) == (1, 1)
    assert "degraded/two.png: the file is empty" in document["results"][2]["error"]
    assert all("score" in row for row in document["results"][:2])


def test_a_full_reference_is_another_score_than_the_degraded_one(run, photos):
    image = photos / "restored" / "one.png"
    call = ("score", image, *DEGRADED, "--json")
    _, clean, _ = run(*call, "--full-reference", "--reference", image)
    _, degraded, _ = run(*call, "--degraded", photos / "degraded" / "one.png")
    assert json.loads(clean)["results"] != json.loads(degraded)["results"]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA"), RuntimeError("[...] can't allocate memory")])
def test_an_image_too_large_for_the_memory_leaves_the_others_their_scores(run, photos, monkeypatch, error):
    Image.fromarray(np.zeros((80, 64, 3), np.uint8)).save(photos / "restored" / "large.png")
    original = TeacherIQAScorer.score

    def score(self, restored, guide=None):
        if restored.shape[-2] > 64:
            raise error
        return original(self, restored, guide)

    monkeypatch.setattr(TeacherIQAScorer, "score", score)
    code, out, _ = run("score", photos / "restored", *BLIND, "--json")
    rows = json.loads(out)["results"]
    assert code == 1
    assert ["score" in row for row in rows] == [False, True, True, True]
    assert "ran out of memory" in rows[0]["error"]


def test_a_score_that_is_no_number_is_a_failure_and_the_json_stays_json(run, photos, monkeypatch):
    monkeypatch.setattr(CKDNScorer, "score", lambda self, restored, guide: restored.new_full((1,), math.nan))
    code, out, _ = run(
        "score", photos / "restored" / "one.png", "--degraded", photos / "degraded" / "one.png", *DEGRADED, "--json"
    )
    assert code == 1
    assert "NaN" not in out
    assert "the score is nan" in json.loads(out)["results"][0]["error"]


def test_a_name_that_the_file_system_refuses_has_no_traceback(run):
    code, _, err = run("score", f"{'long' * 100}.png", *BLIND)
    assert code == 1
    assert "irq: [Errno" in err


def test_the_device_is_this_machines_accelerator_or_its_cpu(monkeypatch):
    for there, name in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.accelerator, "is_available", lambda there=there: there)
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
        assert check_device("auto") == name
