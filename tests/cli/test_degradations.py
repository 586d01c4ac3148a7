"""`irq degradations`: the table of operators, and their contact sheet."""

import json
from pathlib import Path

from PIL import Image

from ir_quality_plugin.degradations import OPERATORS

PHOTOGRAPH = Path(__file__).parents[2] / "recipes" / "smoke" / "photographs" / "val" / "gt" / "coffee_0.png"


def test_every_operator_is_listed_with_its_unit(run):
    code, out, _ = run("degradations", "ls", "--json")
    assert code == 0
    assert set(json.loads(out)) == set(OPERATORS)
    assert all(row["unit"] and len(row["levels"]) == 5 for row in json.loads(out).values())


def test_the_sheet_shows_every_operator_at_every_level(run, tmp_path):
    code, out, _ = run("degradations", "sheet", PHOTOGRAPH, "--out", tmp_path / "sheet.png", "--side", "64")
    assert code == 0
    assert f"{len(OPERATORS)} operators at five levels" in out
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.height > len(OPERATORS) * 64
        assert picture.width > 6 * 64


def test_an_unknown_operator_is_answered_with_the_nearest(run, tmp_path):
    code, _, err = run("degradations", "sheet", PHOTOGRAPH, "--out", tmp_path / "x.png", "--operator", "gausian_blur")
    assert code == 2
    assert "did you mean 'gaussian_blur'" in err
    assert not (tmp_path / "x.png").exists()
