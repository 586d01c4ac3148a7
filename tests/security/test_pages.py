"""Names that hold HTML, script, and formulas: pages show them as text, tables keep them as they are."""

import csv
import html.parser
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ir_quality_plugin.data.score_table import formula_note

pytest.importorskip("pyiqa")

NAMES = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)<",
    "' onmouseover='alert(3)",
    '" onload="alert(4)" x="',
    "{{ 7 * 7 }}{% raw %}",
    "=HYPERLINK(1)",
    "$\\frac{1}{2}$",
    "]]>&lt;b&gt;\u2028",
)


class Parts(html.parser.HTMLParser):
    """Elements and attributes that a browser would find."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.attributes, self.data = set(), set(), ""
        self._within = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attributes}
        self._within = "data" if dict(attributes).get("id") == "data" else tag

    def handle_data(self, text):
        if self._within == "data":
            self.data += text
        if self._within == "script":
            assert "alert(" not in text

    def handle_endtag(self, tag):
        self._within = ""


def assert_harmless(page, plain):
    """Of the same elements and attributes as a page of plain names."""
    found, expected = Parts(page), Parts(plain)
    assert found.elements <= expected.elements
    assert found.attributes <= expected.attributes
    assert not any(name.startswith("on") for name in found.attributes)
    return found


@pytest.fixture
def folders(tmp_path):
    """Images of six names that hurt and of six plain ones, degraded and restored, and labels of both."""
    draw = np.random.RandomState(0)
    for kind, names in (("odd", NAMES), ("plain", [f"name{index}" for index in range(len(NAMES))])):
        rows = []
        for index, name in enumerate(names):
            for part in ("restored", "degraded"):
                path = tmp_path / kind / part / f"{name.replace('/', chr(0x2215))}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(draw.randint(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
            rows.append([f"restored/{path.name}", index, f"content {name}", f"kind {name}"])
        with (tmp_path / kind / "labels.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["image", "mos", "content", "distortion"], *rows])
    return tmp_path


def test_the_page_of_an_evaluation(run, folders):
    pages = []
    for kind, method, other in (("plain", "method", "other"), ("odd", NAMES[0].replace("=", ":"), NAMES[1])):
        weights = folders / kind / f"{'<b>weights' if kind == 'odd' else 'weights'}.safetensors"
        shutil.copy(Path(__file__).parents[2] / "ir_quality_plugin/weights/ckdn-s.safetensors", weights)
        (folders / kind / "restored" / "zz<u>broken.png").write_bytes(b"\x89PNG\r\n\x1a\n<s>")
        out = folders / kind / "out"
        code, said = run(
            "evaluate", "--restored", f"{method}={folders / kind / 'restored'}", "--restored",
            f"{other}={folders / kind / 'degraded'}", "--degraded", folders / kind / "degraded",
            "--reference", folders / kind / "degraded", "--scorer", f"ckdn-s={weights}",
            "--pyiqa", "psnr", "--out", out,
        )  # fmt: skip
        assert code == 1 and "could not be scored" in said
        pages.append((out / "report.html").read_text())
    found = assert_harmless(pages[1], pages[0])
    shown = json.loads(found.data)
    assert set(NAMES) >= {name.replace(chr(0x2215), "/") for name in shown["images"] if "zz" not in name}
    assert {NAMES[0].replace("=", ":"), NAMES[1]} == set(shown["methods"])
    rows = list(csv.DictReader((folders / "odd" / "out" / "scores.csv").open(newline="")))
    assert "=HYPERLINK(1)" in {row["image"] for row in rows}
    note = "1 name begins like a formula, such as '=HYPERLINK(1)': a spreadsheet should import scores.csv as text."
    assert note in json.loads((folders / "odd" / "out" / "summary.json").read_text())["notes"]


def test_the_page_of_a_benchmark(run, folders):
    pages = []
    for kind in ("plain", "odd"):
        out = folders / kind / "out"
        code, said = run(
            "benchmark", "--labels", folders / kind / "labels.csv", "--scorer", "ckdn-s", "--resamples", 100,
            *("--degraded", folders / kind / "degraded", "--pyiqa", "psnr"),
            *("--reference", folders / kind / "degraded", "--out", out),
        )  # fmt: skip
        assert code == 0, said
        pages.append((out / "report.html").read_text())
    assert_harmless(pages[1], pages[0])
    assert "begins like a formula" in said


def test_the_page_of_a_probe(run, folders):
    pages = []
    for kind in ("plain", "odd"):
        out = folders / kind / "out"
        for path in sorted((folders / kind / "restored").iterdir()):
            if path.stem not in (NAMES[0], NAMES[5], "name0", "name5"):
                path.unlink()
        code, said = run(
            "probe", "--images", folders / kind / "restored", "--scorer", "ckdn-s", "--out", out,
            *("--steps", "1", "--starts", "1", "--side", "32"),
        )  # fmt: skip
        assert code == 0, said
        pages.append((out / "report.html").read_text())
        assert {path.parent.parent.name for path in out.rglob("*.png")} == {"pictures"}
    assert_harmless(pages[1], pages[0])
    assert "begins like a formula" in said


def test_every_template_escapes(tmp_path):
    """The demonstration's page and whatever comes: one writer, which escapes, and nothing that is marked safe."""
    from ir_quality_plugin.report.page import TEMPLATES, write_page

    content = {
        "title": NAMES[0], "subtitle": NAMES[1], "images": 1, "methods": [NAMES[0]], "cost": NAMES[2],
        "scorer": NAMES[3],
        "rows": [{"metric": NAMES[0], "higher": True, "optimised": True, "gain": NAMES[1],
                  "cells": [{"best": True, "text": NAMES[2]}]}],
        "pictures": [[{"source": NAMES[3], "name": NAMES[0]}]],
    }  # fmt: skip
    page = write_page(tmp_path / "page.html", "demo.html.j2", **content).read_text()
    found = Parts(page)
    assert "script" not in found.elements and not any(name.startswith("on") for name in found.attributes)
    for template in TEMPLATES.glob("*.j2"):
        text = template.read_text()
        assert "|safe" not in text.replace(" ", "") and "autoescape" not in text


def test_formulas_are_told(tmp_path):
    assert formula_note(["a", "b=", "1-2"]) == []
    (note,) = formula_note(["+1", "-1", "@a", "=b", "ok", "\tx"])
    assert note.startswith("5 names begin like a formula")
