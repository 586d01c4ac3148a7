"""The soak's own parts: what it reads of a process, when it stops it, and what it calls flat."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import soak

WORK = """
import sys, time
for step in range(10_000):
    open(sys.argv[1], "a").write("line\\n")
    time.sleep(0.01)
"""


def test_a_process_is_watched_stopped_and_gone_on_with(tmp_path):
    log = soak.Tail(lambda: tmp_path.glob("log"))
    command = [sys.executable, "-c", WORK, str(tmp_path / "log")]

    def steps():
        log.last += len(log.lines())
        return log.last

    for most_s in (1.5, 3.0):
        assert soak.watch(command, steps, tmp_path / "readings.jsonl", 0.3, most_s) == -15  # a scheduler's signal
    readings = [json.loads(line) for line in (tmp_path / "readings.jsonl").read_text().splitlines()]
    assert {entry["session"] for entry in readings} == {0, 1}
    assert [entry["seconds"] for entry in readings] == sorted(entry["seconds"] for entry in readings)
    assert readings[-1]["steps"] > 10
    assert all(entry["rss_mib"] > 1 and entry["files"] >= 3 and entry["processes"] == 1 for entry in readings[1:])


@pytest.mark.parametrize(("growth", "flat"), [(0.0, True), (100.0, False)])
def test_what_grows_is_not_flat(tmp_path, capsys, growth, flat):
    def entry(minute):
        memory = 500 + growth * minute / 60 + minute % 3
        held = {"rss_mib": memory, "peak_mib": memory, "files": 9, "threads": 4, "processes": 2}
        return {"session": minute // 40, "seconds": 60.0 * minute, "steps": 90 * minute, "step_ms": 660.0} | held

    (tmp_path / "readings.jsonl").write_text("".join(json.dumps(entry(minute)) + "\n" for minute in range(1, 120)))
    assert soak.judged(tmp_path) == (not flat)
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["flat"] is flat
    assert verdict["readings"]["rss_mib"]["an_hour"] == pytest.approx(growth, abs=2)
    low, high = verdict["readings"]["rss_mib"]["interval_an_hour"]
    assert low <= growth + 0.1 and high >= growth - 0.1
    assert "memory, MiB" in (tmp_path / "soak.svg").read_text()


def test_the_images_of_an_evaluation_are_links_of_a_few(tmp_path):
    soak.make_images(tmp_path, 250)
    soak.make_images(tmp_path, 260)
    for kind in ("reference", *soak.METHODS):
        files = list((tmp_path / kind).iterdir())
        assert len(files) == 260 and len({path.stat().st_ino for path in files}) == soak.PICTURES


def test_a_disk_that_allows_few_links_gets_copies(tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(31, "Too many links")

    monkeypatch.setattr(soak.os, "link", refuse)
    soak.make_images(tmp_path, 3)
    assert len({path.stat().st_ino for path in (tmp_path / "one").iterdir()}) == 3
