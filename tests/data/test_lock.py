"""One run at a time, also on a disk that knows no locks."""

import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest

from ir_quality_plugin import CheckpointError, UsageError
from ir_quality_plugin.data.lock import locked

HOLDS = """
import errno, fcntl, os, sys, time
from pathlib import Path
def refused(descriptor, how):
    raise OSError(int(sys.argv[2]), os.strerror(int(sys.argv[2])))
fcntl.flock = refused
from ir_quality_plugin.data.lock import locked
with locked(Path(sys.argv[1]), "--out"):
    print("held", flush=True)
    time.sleep(60)
"""


def without_locks(monkeypatch, number):
    def refused(descriptor, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refused)


@pytest.mark.parametrize("name", ["ENOSYS", "ENOLCK", "EOPNOTSUPP", "EINVAL"])
def test_where_the_disk_knows_no_locks_a_file_is_the_lock(name, tmp_path, monkeypatch):
    path = tmp_path / ".irq.lock"
    path.touch()  # of a day when the disk knew locks, perhaps
    path.unlink() if name == "ENOSYS" else None  # which filelock answers itself
    without_locks(monkeypatch, getattr(errno, name))
    for _ in range(2):
        with locked(path, "--out"):
            message = r"another run is writing there.*delete .*\.irq\.lock"
            with pytest.raises(UsageError, match=message), locked(path, "--out"):
                pass


def test_a_killed_run_holds_nothing_there_either(tmp_path, monkeypatch):
    path = tmp_path / ".irq.lock"
    line = [sys.executable, "-c", HOLDS, path, str(errno.ENOLCK)]
    first = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    without_locks(monkeypatch, errno.ENOLCK)
    try:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=r"another run is writing there.*delete .*\.irq\.lock\.held"):
            locked(path, "--out").__enter__()
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    with locked(path, "--out"):
        pass


def test_a_disk_that_fails_is_none_without_locks(tmp_path, monkeypatch):
    without_locks(monkeypatch, errno.EIO)
    with pytest.raises(CheckpointError, match="cannot be written to or locked"), locked(tmp_path / "lock", "--out"):
        pass
