"""`irq demo`: trains both networks, evaluates them, and writes a page that holds everything."""

import json
import re

import pytest

import ir_quality_plugin.integrations

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
