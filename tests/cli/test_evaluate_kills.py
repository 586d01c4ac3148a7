"""Kills by a real signal where a run begins anew, and where its results are written."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from evaluation_folders import arguments, command, write_folders

CLONE = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
RESULTS = ("scores.csv", "summary.json", "report.html")
KILLED = """
import os, signal
from pathlib import Path
def die():
    os.kill(os.getpid(), signal.SIGKILL)
{dying}
from ir_quality_plugin.cli.app import main
main()
"""
IN_A_RESTART = """
unlink = Path.unlink
def dying(path, *arguments, **options):
    unlink(path, *arguments, **options)
    if path.suffix == ".jsonl":
        die()
Path.unlink = dying
"""
AFTER_THE_TABLE = """
from ir_quality_plugin.evaluation import table_file
write = table_file.write_scores
def dying(*arguments):
    write(*arguments)
    die()
table_file.write_scores = dying
"""


@pytest.fixture
def folders(tmp_path):
    return write_folders(tmp_path, images=3)


def killed(dying, *call):
    """The call in a process of its own, which ends by a kill."""
    line = command(*call, code=KILLED.format(dying=dying))
    done = subprocess.run(line, cwd=CLONE, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)
    assert done.returncode == -signal.SIGKILL, done.stdout[-2000:] + done.stderr[-4000:]


def outputs(out):
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name in RESULTS}


@pytest.mark.slow
def test_no_kill_leaves_results_of_an_earlier_run_beside_new_ones(run, folders, tmp_path):
    out, expected = tmp_path / "out", tmp_path / "expected"
    run("evaluate", *arguments(folders, out, metrics=("--scorer", "ckdn-s=random")))
    run("evaluate", *arguments(folders, expected))
    killed(IN_A_RESTART, folders, out, "--restart")
    assert outputs(out) == {}
    killed(AFTER_THE_TABLE, folders, out, "--restart")
    assert outputs(out) == {"scores.csv": (expected / "scores.csv").read_bytes()}
    assert "6 of 6 files are scored already" in run("evaluate", *arguments(folders, out))[2]
    assert outputs(out) == outputs(expected)
