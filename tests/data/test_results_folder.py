"""A folder of results belongs to one command, and to one run at a time, and a kill frees it."""

import os
import signal
import subprocess
import sys

import pytest

from ir_quality_plugin import UsageError
from ir_quality_plugin.data.results_folder import held

HOLDS = """
import sys, time
from pathlib import Path
from ir_quality_plugin.data.results_folder import held
with held(Path(sys.argv[1]), "evaluate"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_refused_and_a_killed_one_holds_nothing(tmp_path):
    first = subprocess.Popen([sys.executable, "-c", HOLDS, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another run is writing there"), held(tmp_path, "evaluate"):
            pass
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    with held(tmp_path, "evaluate"):
        pass


def test_another_commands_results_are_not_written_over(tmp_path):
    with held(tmp_path / "out", "benchmark"):
        pass
    message = "holds results of irq benchmark; expected a new folder"
    with pytest.raises(UsageError, match=message), held(tmp_path / "out", "evaluate"):
        pass
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(UsageError, match=r"something else \(a summary.json\)"), held(tmp_path, "benchmark"):
        pass


def test_results_of_other_options_are_not_written_over(tmp_path):
    with held(tmp_path, "probe", {"seed": 0, "scorer": ["ckdn-s"]}):
        pass
    with held(tmp_path, "probe", {"seed": 1, "scorer": ["ckdn-s"]}):  # the first wrote nothing
        (tmp_path / "summary.json").write_text("{}")
    with held(tmp_path, "probe", {"seed": 1, "scorer": ("ckdn-s",)}):
        pass
    message = r"holds results of other options \(seed was 1 and is 2\)"
    with pytest.raises(UsageError, match=message), held(tmp_path, "probe", {"seed": 2, "scorer": ["ckdn-s"]}):
        pass
    for damaged in ("{", "{}", "[]"):
        (tmp_path / ".irq").write_text(damaged)
        with pytest.raises(UsageError, match="is damaged"), held(tmp_path, "probe"):
            pass


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    (tmp_path / ".summary.json.abc.unfinished").touch()
    with held(tmp_path, "probe"):
        assert not list(tmp_path.glob("*.unfinished"))


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(UsageError, match="it is a file; expected a folder"), held(tmp_path / "out", "probe"):
        pass
