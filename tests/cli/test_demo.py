"""`irq demo`: trains both networks, evaluates them, and writes a page that holds everything."""

import json
import re

import pytest

import ir_quality_plugin.integrations
from ir_quality_plugin import UsageError
from ir_quality_plugin.cli import demo

pytest.importorskip("basicsr")
pytest.importorskip("pyiqa")
assert ir_quality_plugin.integrations


@pytest.mark.slow
def test_the_demonstration_makes_its_page(run, tmp_path):
    code, out, _ = run("demo", "--out", tmp_path / "demo", "--iterations", "4")
    assert code == 0
    assert out.rstrip().endswith(str(tmp_path / "demo" / "demo.html"))
    page = (tmp_path / "demo" / "demo.html").read_text()
    assert "ckdn-s ↑ (optimised)" in page and "cvrkd-s ↑" in page and "gmsd ↓" in page
    assert len(re.findall('<img src="data:image/webp;base64,', page)) == 25
    assert "://" not in page  # nothing is fetched
    scores = json.loads((tmp_path / "demo" / "scores.json").read_text())["scores"]
    assert {len(values) for by_method in scores.values() for values in by_method.values()} == {12}
    for name in ("l1", "l1_ckdn"):
        assert (tmp_path / "demo" / "experiments" / name / "models" / "net_g_latest.pth").is_file()


def test_a_folder_with_other_things_is_left_alone(run, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = run("demo", "--out", tmp_path)
    assert code == 2
    assert "the folder holds other things" in err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_of_photographs_is_no_earlier_demo(run, tmp_path):
    mine = tmp_path / "photographs" / "mine.png"
    mine.parent.mkdir()
    mine.write_text("mine")
    code, _, err = run("demo", "--out", tmp_path)
    assert code == 2 and "no .irq says that a demo made them" in err
    (tmp_path / ".irq").write_text('{"command": "evaluate", "options": null}')
    code, _, err = run("demo", "--out", tmp_path)
    assert code == 2 and "holds results of irq evaluate" in err
    assert mine.read_text() == "mine"


def test_a_folder_that_a_demo_made_is_taken_again(run, tmp_path, monkeypatch):
    def stop(recipe, iterations):
        raise UsageError("far enough")

    monkeypatch.setattr(demo, "train", stop)
    for _ in range(2):
        code, _, err = run("demo", "--out", tmp_path / "demo")
        assert code == 2 and "far enough" in err
        (tmp_path / "demo" / "photographs" / "train" / "an earlier one.png").touch()
    assert run("demo", "--out", tmp_path / "demo")[0] == 2
    assert not (tmp_path / "demo" / "photographs" / "train" / "an earlier one.png").exists()
