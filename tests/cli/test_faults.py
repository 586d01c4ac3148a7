"""The worst days of evaluations, labels and made data: full disks, signals, odd names and locales, links, clocks."""

import csv
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from evaluation_folders import arguments, command, write_folders
from full_disk import files_up_to, left_over
from PIL import Image

from ir_quality_plugin.data.lock import locked

CLONE = Path(__file__).parents[2]
PHOTOGRAPHS = CLONE / "recipes" / "smoke" / "photographs"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
RESULTS = ("scores.csv", "summary.json", "report.html")
MAKING = ("--crop", 64, "--inputs", 1, "--restorations", 2, "--workers", 1)


@pytest.fixture
def folders(tmp_path):
    return write_folders(tmp_path, images=3)


def outputs(out):
    return {name: (out / name).read_bytes() for name in RESULTS if (out / name).exists()}


# Nothing at all; the folder's owner but no row; some rows, no table; the table and the summary, no page.
@pytest.mark.parametrize("size", [0, 300, 7_000, 20_000])
def test_a_full_disk_keeps_the_rows_and_the_same_call_goes_on(size, run, folders, tmp_path):
    out, expected = tmp_path / "out", tmp_path / "expected"
    assert run("evaluate", *arguments(folders, expected))[0] == 0
    with files_up_to(size):
        code, _, err = run("evaluate", *arguments(folders, out))
    assert code == 1
    assert "cannot" in err and str(out) in err and "File too large" in err
    assert left_over(out) == []
    assert "report.html" not in outputs(out)
    assert run("evaluate", *arguments(folders, out))[0] == 0
    assert outputs(out) == outputs(expected)


def test_a_full_disk_while_a_recipe_is_copied_leaves_no_half_file_that_would_be_kept(run, tmp_path):
    call = ("recipes", "cp", "smoke/sr_x4_l1", tmp_path)
    with files_up_to(5_000):
        code, _, err = run(*call)
    assert code == 1 and "cannot write" in err and "MiB are free on its disk" in err
    assert left_over(tmp_path) == []
    assert run(*call)[0] == 0
    copied = [path for path in (tmp_path / "recipes").rglob("*") if path.is_file()]
    assert len(copied) > 20
    for path in copied:
        assert path.read_bytes() == (CLONE / path.relative_to(tmp_path)).read_bytes()


def test_a_full_disk_while_triplets_and_labels_are_made_costs_nothing(run, tmp_path):
    def calls(out):
        yield "triplets", "--photographs", PHOTOGRAPHS / "val" / "gt", "--out", out, *MAKING
        yield "label", "--table", out / "table.csv", "--out", out / "labels.csv", "--metric", "gmsd", "--workers", 1

    whole, full = tmp_path / "whole", tmp_path / "full"
    for complete, faulty, sizes in zip(calls(whole), calls(full), ((100, 5_000), (100, 600)), strict=True):
        assert run(*complete)[0] == 0
        for size in sizes:
            with files_up_to(size):
                code, _, err = run(*faulty)
            assert (code, left_over(full)) == (1, [])
            assert "cannot write" in err and "MiB are free on its disk" in err
        assert run(*faulty)[0] == 0
    names = {path.relative_to(whole) for path in whole.rglob("*") if path.is_file() and path.suffix != ".jsonl"}
    assert all((whole / name).read_bytes() == (full / name).read_bytes() for name in names)


SIGNALLED = """
import os, signal
from {module} import {kind}
add, rows = {kind}.add, []
def signalled(self, *row):
    rows.append(row)
    if len(rows) == 3:
        os.kill(os.getpid(), signal.SIGTERM)
    add(self, *row)
{kind}.add = signalled
from ir_quality_plugin.cli.app import main
main()
"""


def ended(line, code=143):
    done = subprocess.run(line, cwd=CLONE, capture_output=True, text=True, timeout=240, env=ENVIRONMENT)
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-4000:]
    assert "irq: ended by SIGTERM; nothing half-written is left: call it again to go on" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_evaluation_that_is_terminated_loses_no_row(run, folders, tmp_path):
    out, expected = tmp_path / "out", tmp_path / "expected"
    run("evaluate", *arguments(folders, expected))
    code = SIGNALLED.format(module="ir_quality_plugin.evaluation.row_log", kind="RowWriter")
    ended(command(folders, out, code=code))
    assert "2 of 6 files are scored already" in run("evaluate", *arguments(folders, out))[2]
    assert outputs(out) == outputs(expected)


@pytest.mark.slow
def test_making_and_labelling_that_are_terminated_go_on_to_the_same_files(run, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    call = ("triplets", "--photographs", PHOTOGRAPHS / "train" / "gt", *MAKING, "--out")
    run(*call, whole)
    line = [sys.executable, "-m", "ir_quality_plugin", *map(str, call), str(killed)]
    process = subprocess.Popen(line, cwd=CLONE, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and len(list(killed.glob("restored/*.png"))) < 3:
        time.sleep(0.05)
    process.terminate()
    assert "ended by SIGTERM" in process.communicate(timeout=120)[1]
    assert process.returncode == 143
    assert not (killed / "table.csv").exists()
    run(*call, killed)
    label = ("label", "--metric", "gmsd", "--workers", 1, "--table")
    run(*label, whole / "table.csv", "--out", whole / "labels.csv")
    code = SIGNALLED.format(module="ir_quality_plugin.integrations.labelling", kind="ScoreLog")
    again = [*map(str, label), str(killed / "table.csv"), "--out", str(killed / "labels.csv")]
    ended([sys.executable, "-c", code, *again])
    run(*label, killed / "table.csv", "--out", killed / "labels.csv")
    for name in ("table.csv", "labels.csv", "labels.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


# Python ignores whatever is raised while an object is thrown away, and that is where this signal is heard.
HEARD_BY_NOBODY = """
import os, signal, time
from ir_quality_plugin.cli import app

class Dropped:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.2)

def work(prog_name):
    Dropped()
    time.sleep(60)

app.app = work
app.main()
"""


def test_a_signal_that_a_callback_swallows_ends_the_run_all_the_same():
    began = time.monotonic()
    ended([sys.executable, "-c", HEARD_BY_NOBODY])
    assert time.monotonic() - began < 40  # long before the work would end


NAMES = ("a b", "Überschärfe", "画像", 'it\'s "quoted"', "two\nlines", "-dash", "a,b;c", "100%{image}", "x" * 200)


def test_folders_and_files_of_odd_names_are_evaluated_like_any(run, tmp_path):
    plain, odd = write_folders(tmp_path / "plain", images=len(NAMES)), tmp_path / "-o d'd\n評価"
    for folder in ("degraded", "sharp", "soft"):
        (odd / folder).mkdir(parents=True)
        for name, path in zip(NAMES, sorted((plain / folder).iterdir()), strict=True):
            shutil.copyfile(path, odd / folder / f"{name}.png")
    code, _, err = run("evaluate", *arguments(odd, odd / "o ut"))
    assert (code, "unpaired" in err) == (0, False)
    run("evaluate", *arguments(plain, tmp_path / "expected"))
    scores = [sorted(row[-1] for row in rows_of(out / "scores.csv")) for out in (odd / "o ut", tmp_path / "expected")]
    assert scores[0] == scores[1]
    assert {row[0] for row in rows_of(odd / "o ut" / "scores.csv")} == set(NAMES)


def test_a_second_run_that_makes_or_labels_in_a_place_at_work_is_refused(run, tmp_path):
    """And touches nothing of the first one's, whose files are half-written at that moment."""
    made, other = tmp_path / "made", tmp_path / "demo"
    triplets = ("triplets", "--photographs", PHOTOGRAPHS / "val" / "gt", "--out", made, *MAKING)
    assert run(*triplets)[0] == 0
    label = ("label", "--metric", "gmsd", "--workers", 1, "--table", made / "table.csv", "--out", made / "labels.csv")
    (other / "photographs").mkdir(parents=True)
    (other / "photographs" / "of the first one.png").touch()
    (other / ".irq").write_text('{"command": "demo", "options": null}')
    (made / "restored" / ".half.png.unfinished").touch()
    demo = ("demo", "--out", other)
    calls = {made / ".irq.lock": triplets, made / ".labels.csv.lock": label, other / ".irq.lock": demo}

    def there():
        return {path for path in tmp_path.rglob("*") if path.suffix != ".lock"}

    before = there()
    for lock, call in calls.items():
        with locked(lock, "the first one"):
            code, _, err = run(*call)
        assert code == 2 and "another run is writing there" in err
    assert there() == before
    assert run(*triplets)[0] == run(*label)[0] == 0


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


@pytest.mark.slow
def test_tables_and_pages_are_the_same_where_python_takes_ascii_for_the_names_of_files(run, tmp_path):
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    root = write_folders(tmp_path, images=2)
    for path in root.glob("*/im_000*"):
        path.rename(path.with_name(path.name.replace("im_000", "İıß画")))
    run("evaluate", *arguments(root, tmp_path / "expected"))
    line = command(root, tmp_path / "out")
    done = subprocess.run(line, cwd=CLONE, capture_output=True, timeout=240, env={**ENVIRONMENT, **locale})
    assert done.returncode == 0, done.stderr[-3000:]
    assert outputs(tmp_path / "out") == outputs(tmp_path / "expected")


def test_links_are_followed_stay_links_and_lead_nowhere_without_a_word(run, folders, tmp_path):
    elsewhere = tmp_path / "another disk"
    elsewhere.mkdir()
    (tmp_path / "links").mkdir()
    for name in ("degraded", "sharp", "soft"):
        (tmp_path / "links" / name).symlink_to(folders / name)
    (folders / "sharp" / "loop.png").symlink_to(folders / "sharp" / "loop.png")
    (folders / "sharp" / "again").symlink_to(folders / "sharp")
    (folders / "soft" / "gone.png").symlink_to(tmp_path / "nothing.png")
    (tmp_path / "out").symlink_to(elsewhere)
    code, _, err = run("evaluate", *arguments(tmp_path / "links", tmp_path / "out"))
    assert code == 1
    assert "loop of sharp: cannot read" in err and "gone of soft: cannot read" in err
    assert (tmp_path / "out").is_symlink()
    assert sum(bool(row[3]) for row in rows_of(elsewhere / "scores.csv")) == 6


def test_files_from_the_future_and_a_clock_that_went_back_change_nothing(run, folders, tmp_path, monkeypatch):
    for path in folders.rglob("*.png"):
        os.utime(path, (4e9, 4e9))
    run("evaluate", *arguments(folders, tmp_path / "out"))
    monkeypatch.setattr(time, "time", lambda: 1.0)
    assert "6 of 6 files are scored already" in run("evaluate", *arguments(folders, tmp_path / "out"))[2]


@pytest.mark.parametrize("out", ["file", "file/below", "/proc/nowhere"])
def test_a_folder_that_cannot_be_written_to_is_said_before_anything_is_scored(out, run, folders, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = run("evaluate", *arguments(folders, tmp_path / out))
    assert code == (2 if out == "file" else 1)
    assert f"--out {tmp_path / out}: it" in err
    assert "expected a folder" in err or "choose another" in err
    code, _, err = run("triplets", "--photographs", PHOTOGRAPHS / "val" / "gt", "--out", tmp_path / out, *MAKING)
    assert code in (1, 2) and str(tmp_path / out) in err


def test_a_file_that_may_not_be_read_is_a_row_with_its_reason(run, folders, tmp_path, monkeypatch):
    """Root may read everything: the refusal is made."""
    opened = Image.open

    def refusing(path, **options):
        if path.name == "im_001.png":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, **options)

    monkeypatch.setattr(Image, "open", refusing)
    code, _, err = run("evaluate", *arguments(folders, tmp_path / "out"))
    assert code == 1
    assert "im_001 of sharp: cannot read" in err and "Permission denied; check the path and its permissions" in err
