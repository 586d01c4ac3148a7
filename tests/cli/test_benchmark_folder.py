"""The folder of `irq benchmark`: whose results it takes, what it says of the machine, and kills."""

import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from judged_images import arguments, command, labels_of, scores_of

from ir_quality_plugin.catalog import load_scorer
from ir_quality_plugin.engine import benchmark_run

pytest.importorskip("pyiqa")
CLONE = Path(__file__).parents[2]
DIES = """
import os, signal
from ir_quality_plugin.engine import benchmark_summary
def dying(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
benchmark_summary.summarise = dying
from ir_quality_plugin.cli.app import main
main()
"""


def test_an_out_folder_with_other_results_is_refused_and_left_alone(run, judged):
    (judged / "out").mkdir()
    (judged / "out" / "scores.csv").write_text("image,method\n")
    code, _, err = run(*arguments(judged, "--pyiqa", "ssim"))
    assert code == 2 and "something else (a scores.csv)" in err and "expected a new folder" in err
    assert (judged / "out" / "scores.csv").read_text() == "image,method\n"
    (judged / "out" / "scores.csv").unlink()
    assert run(*arguments(judged, "--pyiqa", "ssim"))[0] == 0
    before = (judged / "out" / "summary.json").read_bytes()
    assert run(*arguments(judged, "--pyiqa", "ssim"))[0] == 0  # the same run
    assert (judged / "out" / "summary.json").read_bytes() == before
    code, _, err = run(*arguments(judged, "--pyiqa", "gmsd", "--seed", 1))
    assert code == 2 and "holds results of other options (metrics was ssim and is gmsd; seed was 0 and is 1)" in err
    assert (judged / "out" / "summary.json").read_bytes() == before


def test_weights_that_were_exchanged_under_one_name_are_another_run(run, judged):
    weights = judged / "mine.pth"
    call = arguments(judged, "--scorer", f"ckdn-s={weights}", "--degraded", judged / "degraded")
    state = load_scorer("ckdn-s").network.state_dict()
    torch.save(state, weights)
    assert run(*call)[0] == run(*call)[0] == 0
    torch.save({name: value * 1.01 if value.is_floating_point() else value for name, value in state.items()}, weights)
    code, _, err = run(*call)
    assert code == 2 and "other options (metrics: ckdn-s (mine): digest was" in err


def test_another_version_is_another_run(run, judged, monkeypatch):
    assert run(*arguments(judged, "--pyiqa", "ssim"))[0] == 0
    monkeypatch.setattr(benchmark_run, "__version__", "9.9")
    code, _, err = run(*arguments(judged, "--pyiqa", "ssim"))
    assert code == 2 and "other options (version was" in err


def test_results_name_no_path_of_the_machine_and_tell_folders_of_one_name_apart(run, judged):
    (judged / "images" / labels_of(judged, "image")[3][0]).write_text("no image")
    (judged / "clean" / Path(labels_of(judged, "reference")[15][0]).name).write_text("no image")
    call = arguments(judged, "--pyiqa", "ssim", "--reference", judged / "clean")
    assert run(*call)[0] == 1
    for path in (judged / "out").iterdir():
        assert str(judged) not in path.read_text(), path.name
    assert [row["image"] for row in scores_of(judged)] == [name for (name,) in labels_of(judged, "image")]
    shutil.move(judged / "clean", judged / "elsewhere" / "clean")
    code, _, err = run(*call[:-1], judged / "elsewhere" / "clean")
    assert code == 2 and "other options (reference was clean (" in err


def test_a_kill_between_the_table_and_the_summary_is_mended_by_the_same_call(run, judged):
    done = subprocess.run(
        command(judged, "--pyiqa", "ssim", code=DIES), cwd=CLONE, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (judged / "out" / "scores.csv").exists() and not (judged / "out" / "summary.json").exists()
    assert run(*arguments(judged, "--pyiqa", "ssim"))[0] == 0
    assert run(*arguments(judged, "--pyiqa", "ssim", "--out", judged / "whole"))[0] == 0
    for name in ("scores.csv", "summary.json", "report.html"):
        assert (judged / "out" / name).read_bytes() == (judged / "whole" / name).read_bytes()
    assert {path.name for path in (judged / "out").iterdir()} == {path.name for path in (judged / "whole").iterdir()}
