"""A run of the benchmark of speed: what it took, how busy the machine was, and which runs go on with each other."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import evaluation
from benchmarks.speed import __main__ as run
from benchmarks.speed import readme, table
from benchmarks.speed.unfinished import Unfinished

sys.path.insert(0, str(Path(__file__).parent))

from speed_figures import result

HERE = {
    "date": "2026-11-21", "commit": "abc", "hardware": "a processor", "instructions": "AVX512", "cores": 2,
    "threads": 2, "load_average": 0.5, "torch": "2", "device": "cpu", "clock": "wall", "shared": False, "rounds": 3,
}  # fmt: skip


@pytest.fixture
def options(monkeypatch):
    monkeypatch.setattr("sys.argv", ["speed"])
    return run.arguments()


@pytest.mark.parametrize("changed", ["hardware", "instructions", "cores", "torch"])
def test_figures_of_another_machine_or_torch_are_not_mixed_in(changed, options, tmp_path):
    out = tmp_path / "speed.json"
    unfinished = Unfinished(out, run.settings(options, HERE))
    unfinished.add("rows", "ckdn_score", 1.5)
    assert Unfinished(out, run.settings(options, HERE)).has("rows", "ckdn_score")
    elsewhere = HERE | {changed: "another"}
    assert not Unfinished(out, run.settings(options, elsewhere)).has("rows", "ckdn_score")


def test_the_largest_load_counts_over_all_parts_and_calls(tmp_path):
    out = tmp_path / "speed.json"
    first = Unfinished(out, {})
    first.begin(HERE)
    first.spend("rows", 2.0, 1.9, 3.0)
    first.spend("rows", 3.0, 1.2, 3.0)
    first.add("rows", "ckdn_score", 1.5)
    assert first.result["conduct"] == {"rows": {"seconds": 5.0, "load_average": 1.9}}
    assert not first.result["machine"]["shared"]
    again = Unfinished(out, {})
    again.begin(HERE | {"load_average": 0.1})
    assert again.result["machine"]["load_average"] == 1.9
    again.spend("compact", 1.0, 3.4, 3.0)
    assert again.result["machine"] == HERE | {"load_average": 3.4, "shared": True}
    assert again.result["conduct"]["rows"]["seconds"] == 5.0


def test_a_run_that_goes_on_beside_other_work_says_so(tmp_path):
    unfinished = Unfinished(tmp_path / "speed.json", {})
    unfinished.begin(HERE)
    unfinished.begin(HERE | {"load_average": 6.0, "shared": True})
    assert (unfinished.result["machine"]["load_average"], unfinished.result["machine"]["shared"]) == (6.0, True)


def test_what_each_part_took_is_written_down_and_said(monkeypatch, tmp_path, capsys):
    out = tmp_path / "speed.json"
    monkeypatch.setattr("sys.argv", ["speed", "--out", str(out), "--parts", "compact"])
    monkeypatch.setattr(run, "floor", lambda clock: result()["floor"]["rates"])
    monkeypatch.setattr(run, "compact_ratio", lambda method, clock: {"ratio": 9.0, "expected": 8.0})
    monkeypatch.setattr(run.os, "getloadavg", lambda: (7.04, 0.0, 0.0))
    run.main()
    written = json.loads(out.read_text())
    assert {part: spent["load_average"] for part, spent in written["conduct"].items()} == {"floor": 7.0, "compact": 7.0}
    assert written["machine"]["shared"]
    assert "The run took 0 s: floor 0 s at a load of at most 7.0, compact 0 s" in out.with_suffix(".md").read_text()


def test_the_total_is_said_in_the_readme_too():
    whole = result() | {"conduct": {"rows": {"seconds": 300.4, "load_average": 2.0},
                                    "compact": {"seconds": 20.0, "load_average": 2.1}}}  # fmt: skip
    assert "The run took 320 s: rows 300 s at a load of at most 2.0, compact 20 s" in table.markdown(whole)
    assert readme.figures(whole).endswith("The run took 320 s.")


def test_an_evaluation_of_seconds_a_file_is_timed_once_and_says_so():
    whole = result()
    whole["evaluation"]["ckdn fp32"]["rounds"] = 1
    assert evaluation.CASES["teacheriqa"].rounds == 1
    assert "512 KB, one round |" in table.markdown(whole)
