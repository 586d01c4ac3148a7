"""Kills by a real signal, and several processes: always the file of an uninterrupted run."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from evaluation_folders import command, write_folders

CLONE = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
DIES = """
import os, signal, sys
from ir_quality_plugin.evaluation.row_log import RowWriter
add, rows = RowWriter.add, []
def dying(self, row):
    rows.append(row)
    if len(rows) == {row}:
        self._file.write(b'12345678 {{"image": "im_0')
        self._file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    add(self, row)
RowWriter.add = dying
from ir_quality_plugin.cli.app import main
main()
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return write_folders(tmp_path_factory.mktemp("folders"))


@pytest.fixture(scope="module")
def expected(folders, tmp_path_factory):
    """What an uninterrupted run of one process writes."""
    out = tmp_path_factory.mktemp("whole") / "out"
    launch(command(folders, out))
    return outputs(out)


def launch(line, code=0):
    done = subprocess.run(line, cwd=CLONE, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-4000:]
    return done


def outputs(out):
    return [(out / name).read_bytes() for name in ("scores.csv", "summary.json", "report.html")]


def rows_of(out):
    return [line for path in sorted((out / "rows").glob("*.jsonl")) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_a_run_that_was_killed_twice_ends_with_the_same_bytes_and_scores_nothing_twice(folders, expected, tmp_path):
    for row in (4, 3):
        launch(command(folders, tmp_path / "out", code=DIES.format(row=row)), -signal.SIGKILL)
    done = launch(command(folders, tmp_path / "out"))
    assert "5 of 12 files are scored already" in done.stderr
    assert outputs(tmp_path / "out") == expected
    assert sum(line.endswith("}") for line in rows_of(tmp_path / "out")) == 12


@pytest.mark.slow
def test_two_processes_write_the_table_of_one_and_score_every_file_once(folders, expected, tmp_path):
    launch(command(folders, tmp_path / "out", processes=2))
    assert outputs(tmp_path / "out") == expected
    assert len(rows_of(tmp_path / "out")) == 12
    assert len(list((tmp_path / "out" / "rows").glob("*.jsonl"))) == 2


@pytest.mark.slow
def test_a_process_whose_fellow_is_killed_ends_within_seconds_and_every_row_is_kept(folders, expected, tmp_path):
    """Without a launcher that would end it, as on two machines."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            command(folders, tmp_path / "out", code=code),
            cwd=CLONE,
            stderr=subprocess.PIPE,
            text=True,
            env={**ENVIRONMENT, **address, "RANK": rank, "LOCAL_RANK": rank},
        )
        for rank, code in (("0", None), ("1", DIES.format(row=3)))
    ]
    processes[1].wait(timeout=120)
    began = time.monotonic()
    error = processes[0].communicate(timeout=120)[1]
    assert time.monotonic() - began < 30
    assert [process.returncode for process in processes] == [1, -signal.SIGKILL], error[-3000:]
    assert "another process of this run has ended" in error and "Traceback" not in error
    assert "8 of 12 files are scored already" in launch(command(folders, tmp_path / "out")).stderr
    assert outputs(tmp_path / "out") == expected
