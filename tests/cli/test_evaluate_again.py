"""`irq evaluate` called again: what is kept, what is scored anew, and what is refused."""

import os

import pytest
from evaluation_folders import arguments, write_folders
from PIL import Image

from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.data.results_folder import held


@pytest.fixture
def folders(tmp_path):
    return write_folders(tmp_path, images=4)


def test_results_of_something_else_are_not_written_over(run, folders, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scores.csv").write_text("image,mos\n")
    code, _, err = run("evaluate", *arguments(folders, tmp_path / "out"))
    assert code == 2 and "it holds results of something else (a scores.csv)" in err
    assert (tmp_path / "out" / "scores.csv").read_text() == "image,mos\n"


def test_a_changed_file_is_scored_again_and_no_other(run, tmp_path):
    root, out = write_folders(tmp_path, images=3), tmp_path / "out"
    assert run("evaluate", *arguments(root, out))[0] == 0
    before = (out / "scores.csv").read_text().splitlines()
    (root / "soft" / "im_001_x4.png").write_bytes((root / "sharp" / "im_001.png").read_bytes())
    (out / ".summary.json.abc.unfinished").write_text("{")  # as a kill while writing leaves it
    _, _, err = run("evaluate", *arguments(root, out))
    assert not list(out.glob("*.unfinished"))
    assert "5 of 6 files are scored already" in err
    after = (out / "scores.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in set(after) - set(before)] == [["im_001", "soft"]]


def test_another_folder_of_the_same_names_sizes_and_times_is_scored_anew(run, tmp_path):
    for name, grey in (("one", 40), ("two", 200)):
        folder = tmp_path / name / "restored"
        folder.mkdir(parents=True)
        Image.new("RGB", (64, 64), (grey, grey, grey)).save(folder / "a.bmp")
        os.utime(folder / "a.bmp", ns=(0, 0))

    def call(name, out, *more):
        line = ["--restored", f"Ours={tmp_path / name / 'restored'}", "--scorer", "teacheriqa-s=random"]
        assert run("evaluate", *line, "--out", tmp_path / out, *more)[0] == 0
        return (tmp_path / out / "scores.csv").read_bytes()

    one, two = (call(name, name) for name in ("one", "two"))
    assert one != two
    assert [call(name, "out") for name in ("one", "two", "one")] == [one, two, one]


def test_a_method_can_be_added_and_another_metric_cannot(run, tmp_path):
    root, out = write_folders(tmp_path, images=3), tmp_path / "out"
    run("evaluate", *arguments(root, out))
    code, printed, err = run("evaluate", *arguments(root, out, "--restored", f"again={root / 'sharp'}"))
    assert code == 0 and "6 of 9 files are scored already" in err and "again" in printed
    more = {"metrics": ("--scorer", "ckdn-s=random")}
    code, _, err = run("evaluate", *arguments(root, out, **more))
    assert code == 2 and "a run with other options: metrics was ckdn-s and is ckdn-s (random)" in err
    assert run("evaluate", *arguments(root, out, "--restart", **more))[0] == 0


def test_a_run_of_another_version_is_not_gone_on_with(run, folders, tmp_path, monkeypatch):
    run("evaluate", *arguments(folders, tmp_path / "out"))
    monkeypatch.setattr("ir_quality_plugin.evaluation.run.__version__", "9.9")
    code, _, err = run("evaluate", *arguments(folders, tmp_path / "out"))
    assert code == 2 and "and is 9.9" in err


def test_a_file_that_is_replaced_while_it_is_scored_is_no_finished_row(run, folders, tmp_path, monkeypatch):
    replaced, other = folders / "sharp" / "im_002.png", (folders / "soft" / "im_001_x4.png").read_bytes()

    def read(path):
        image = read_image(path)
        if path == replaced:
            path.write_bytes(other)
        return image

    with monkeypatch.context() as patch:
        patch.setattr("ir_quality_plugin.evaluation.reading.read_image", read)
        code, _, err = run("evaluate", *arguments(folders, tmp_path / "out"))
    assert code == 1 and "1 of 8 files have no row" in err and "call it again" in err
    code, _, err = run("evaluate", *arguments(folders, tmp_path / "out"))
    assert code == 0 and "7 of 8 files are scored already" in err


def test_a_second_run_at_once_is_refused(run, folders, tmp_path):
    with held(tmp_path / "out", "evaluate"):
        code, _, err = run("evaluate", *arguments(folders, tmp_path / "out"))
    assert code == 2 and "another run is writing there" in err
    assert not (tmp_path / "out" / "rows").exists()


def test_added_folders_rename_no_image_and_score_nothing_twice(run, folders, tmp_path):
    only = ["--restored", f"soft={folders / 'soft'}", "--scorer", "teacheriqa-s=random", "--out", tmp_path / "out"]
    run("evaluate", *only)
    more = ["--restored", f"sharp={folders / 'sharp'}", "--degraded", folders / "degraded"]
    _, _, err = run("evaluate", *only, *more)
    assert "4 of 8 files are scored already" in err


def test_a_damaged_owner_locks_no_row_out(run, folders, tmp_path):
    run("evaluate", *arguments(folders, tmp_path / "out"))
    (tmp_path / "out" / ".irq").write_text("")
    code, _, err = run("evaluate", *arguments(folders, tmp_path / "out"))
    assert code == 0 and "8 of 8 files are scored already" in err and "is written anew" in err


def test_rows_of_somebody_else_are_refused_and_kept(run, folders, tmp_path):
    (tmp_path / "out" / "rows").mkdir(parents=True)
    (tmp_path / "out" / "rows" / "0001-0000.jsonl").write_text("mine")
    code, _, err = run("evaluate", *arguments(folders, tmp_path / "out"))
    assert code == 2 and "holds results of something else (a rows)" in err
    assert (tmp_path / "out" / "rows" / "0001-0000.jsonl").read_text() == "mine"
