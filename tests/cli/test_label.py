"""`irq triplets` and `irq label`: from photographs to a table of labels, through kills."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

import ir_quality_plugin.integrations  # noqa: F401  # makes basicsr importable

pytest.importorskip("basicsr")
pytest.importorskip("cv2")
pytest.importorskip("pyiqa")

from ir_quality_plugin import CheckpointError
from ir_quality_plugin.data.readers import read_labels
from ir_quality_plugin.integrations import labelling
from ir_quality_plugin.models import RestorationTeacher

PHOTOGRAPHS = Path(__file__).parents[2] / "recipes" / "smoke" / "photographs"
TEACHER_OPTIONS = {"stem_width": 16, "planes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "expansion": 2}
SMALL = ("--crop", 96, "--inputs", 2, "--restorations", 3)


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def irq_killed_when(condition, *arguments):
    """Run `irq` in a process of its own, kill it once a condition holds, and give its workers' ids."""
    process = subprocess.Popen([sys.executable, "-m", "ir_quality_plugin", *map(str, arguments)])
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    children = [int(number) for number in listed.read_text().split()] if listed.is_file() else []
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    return children


def is_alive(number):
    try:
        os.kill(number, 0)
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_killed_runs_go_on_and_end_with_the_bytes_of_uninterrupted_ones(run, tmp_path):
    photographs, whole, killed = PHOTOGRAPHS / "train" / "gt", tmp_path / "whole", tmp_path / "killed"
    call = ("triplets", "--photographs", photographs, *SMALL)
    assert run(*call, "--out", whole, "--workers", 1)[0] == 0
    workers = irq_killed_when(
        lambda: len(list(killed.glob("restored/*.png"))) > 2, *call, "--out", killed, "--workers", 2
    )
    deadline = time.monotonic() + 20
    while any(map(is_alive, workers)):
        assert time.monotonic() < deadline, "workers outlived the process that was killed"
        time.sleep(0.05)
    assert not (killed / "table.csv").exists()
    code, out, _ = run(*call, "--out", killed, "--workers", 1)
    assert code == 0
    assert "48 triplets of 8 photographs" in out
    assert digests(killed) == digests(whole)

    call = ("label", "--table", whole / "table.csv", "--workers", 1, "--out")
    first, second, log = whole / "labels.csv", whole / "again.csv", whole / "again.scores.jsonl"
    assert run(*call, first)[0] == 0
    irq_killed_when(lambda: log.is_file() and log.read_bytes().count(b"\n") > 2, *call, second)
    assert not second.exists()
    kept = log.read_bytes().count(b"\n")
    code, out, _ = run(*call, second)
    assert code == 0
    assert "again.csv: 48 labels by fsim (0.333), vsi (0.333), gmsd (0.333)" in out
    assert "Without --teacher" in out
    assert second.read_bytes() == first.read_bytes()
    assert log.read_bytes().count(b"\n") <= 48 + 1 < 48 + kept


@pytest.fixture
def pairs(tmp_path):
    """Noisy photographs with their clean ones, and their table."""
    for name in ("gt", "noise25"):
        shutil.copytree(PHOTOGRAPHS / "val" / name, tmp_path / "pairs" / name)
    names = sorted(path.name for path in (tmp_path / "pairs" / "gt").iterdir())
    lines = ["image,reference,degraded", *(f"noise25/{name},gt/{name},noise25/{name}" for name in names)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def teacher(tmp_path):
    torch.manual_seed(0)
    folder = tmp_path / "experiments" / "teacher"
    (folder / "models").mkdir(parents=True)
    torch.save({"params": RestorationTeacher(**TEACHER_OPTIONS).state_dict()}, folder / "models" / "net_g_5.pth")
    options = {"name": "teacher", "network_g": {"type": "TeacherRestorationNet", **TEACHER_OPTIONS}}
    (folder / "options.yml").write_text(yaml.safe_dump(options))
    return folder / "models" / "net_g_5.pth"


def test_a_teacher_judges_with_the_options_of_its_run_and_a_sheet_is_drawn(run, pairs, teacher):
    call = ("label", "--table", pairs / "pairs.csv", "--images", pairs / "pairs", "--metric", "gmsd", "--workers", 1)
    out, sheet = pairs / "labels.csv", pairs / "sheet.png"
    code, text, _ = run(*call, "--out", out, "--teacher", teacher, "--sheet", sheet)
    assert code == 0
    assert "4 labels by gmsd (0.5), teacher_statistics (0.5)" in text
    assert "Without --teacher" not in text
    assert len(read_labels("csv", out).rows) == 4
    with Image.open(sheet) as picture:
        assert picture.height > 4 * 192
    options = pairs / "own.yml"
    options.write_text(yaml.safe_dump({"type": "TeacherRestorationNet", **TEACHER_OPTIONS}))
    (teacher.parents[1] / "options.yml").unlink()
    assert run(*call, "--out", pairs / "own.csv", "--teacher", teacher, "--teacher-options", options)[0] == 0
    assert (pairs / "own.csv").read_bytes() == out.read_bytes()
    assert "has 0 option files" in run(*call, "--out", out, "--teacher", teacher)[2]


def test_bad_images_are_said_once_and_exit_with_one(run, pairs):
    (pairs / "pairs" / "gt" / "coffee_0.png").write_text("no image")
    call = ("label", "--table", pairs / "pairs.csv", "--images", pairs / "pairs", "--metric", "gmsd", "--workers", 1)
    code, out, err = run(*call, "--out", pairs / "labels.csv")
    assert code == 1
    assert "labels.csv: 3 labels" in out
    assert err.count("coffee_0.png: it is no image") == 1
    assert "1 of 4 images have no label" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--metric", "gmsdd"), "did you mean 'gmsd'"),
        (("--weight", "gmsd=much"), "expected NAME=NUMBER"),
        (("--weight", "ssim=1"), "a weight is given for 'ssim'"),
        (("--teacher-options", "x.yml"), "--teacher-options without --teacher"),
        (("--teacher", "x.pth", "--teacher-options", "missing.yml"), "missing.yml cannot be read"),
        (("--out", "labels.txt"), "ends in .csv"),
        (("--metric", "gmsd", "--weight", "gmsd=nan"), "expected finite numbers"),
    ],
)
def test_a_wrong_call_of_label_exits_with_two(run, pairs, arguments, message):
    code, out, err = run("label", "--table", pairs / "pairs.csv", *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_a_table_of_human_scores_is_not_overwritten(run, pairs):
    before = (pairs / "pairs.csv").read_bytes()
    code, _, err = run("label", "--table", pairs / "pairs.csv", "--out", pairs / "pairs.csv")
    assert code == 2
    assert "is the table itself" in err
    assert (pairs / "pairs.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--photographs", "nowhere"), "there is no such folder"),
        (("--scale", "5"), "a multiple of each scale"),
        (("--restorations", "50"), "restorations=50"),
        (("--network-options", "x.yml"), "given 1 times for 0 networks"),
    ],
)
def test_a_wrong_call_of_triplets_exits_with_two(run, tmp_path, arguments, message):
    photographs = ("--photographs", PHOTOGRAPHS / "val" / "gt") if "--photographs" not in arguments else ()
    code, out, err = run("triplets", *photographs, "--out", tmp_path / "made", *arguments)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize("name", ["labels.csv", "labels.json", "sheet.png"])
def test_labels_that_irq_did_not_make_are_not_overwritten(run, pairs, name):
    call = ("label", "--table", pairs / "pairs.csv", "--images", pairs / "pairs", "--metric", "gmsd", "--workers", 1)
    call += ("--out", pairs / "labels.csv", "--sheet", pairs / "sheet.png")
    (pairs / name).write_text('{"mos": "of forty people"}')
    code, _, err = run(*call)
    assert code == 2 and f"{name} is" in err and "expected a new name" in err
    assert (pairs / name).read_text() == '{"mos": "of forty people"}'
    assert not list(pairs.glob("*.jsonl"))
    (pairs / name).unlink()
    assert run(*call)[0] == run(*call)[0] == 0  # ours are written over


def test_a_sheet_is_not_drawn_over_what_the_same_call_writes(run, pairs):
    call = ("label", "--table", pairs / "pairs.csv", "--images", pairs / "pairs", "--out", pairs / "labels.csv")
    for name in ("pairs.csv", "labels.csv", "labels.json"):
        code, _, err = run(*call, "--sheet", pairs / name)
        assert code == 2 and f"{name} is no sheet" in err


def test_a_table_whose_document_is_written_and_not_itself_is_gone_on_with(run, pairs, monkeypatch):
    def full(*arguments):
        raise CheckpointError("the disk is full")

    call = ("label", "--table", pairs / "pairs.csv", "--images", pairs / "pairs", "--metric", "gmsd", "--workers", 1)
    with monkeypatch.context() as patch:
        patch.setattr(labelling, "_write", full)
        assert run(*call, "--out", pairs / "labels.csv")[0] == 1
    assert run(*call, "--out", pairs / "labels.csv")[0] == 0
