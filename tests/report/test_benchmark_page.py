"""The page of `irq benchmark`: what it says of pairs of metrics, in sight and without hovering."""

import re

import numpy as np
import pytest
from evaluation_folders import Called
from PIL import Image

from ir_quality_plugin.data.labels import LabelTable, Row
from ir_quality_plugin.engine.benchmark import Result
from ir_quality_plugin.engine.benchmark_summary import summarise
from ir_quality_plugin.report.benchmark_page import Seen, write_benchmark_page
from ir_quality_plugin.report.text import text_of

COUNT = 60
DRAW = np.random.default_rng(0).normal(size=(3, COUNT))
SCORES = {"noise": DRAW[1], "good": DRAW[0] + 0.1 * DRAW[2], "constant": np.ones(COUNT)}


@pytest.fixture
def write(tmp_path):
    """Write the page of some of the metrics; gives its text and the document behind it."""
    rows = [Row(tmp_path / f"{index:02d}.png", mos, "one") for index, mos in enumerate(DRAW[0].tolist())]
    for row in rows:
        Image.new("RGB", (4, 4)).save(row.image)
    table = LabelTable("made", tuple(rows), (-3.0, 3.0), True)

    def written(*names):
        metrics = {name: Called(name=name) for name in names}
        results = [
            Result(row, name, score) for name in names for row, score in zip(rows, SCORES[name].tolist(), strict=True)
        ]
        document = summarise(table, metrics, results, resamples=100)
        seen = Seen([row.image for row in rows], DRAW[0], {name: SCORES[name] for name in names})
        return write_benchmark_page(tmp_path / "report.html", document, seen, "").read_text(), document

    return written


def test_every_pair_stands_with_its_interval_and_the_better_metric_first(write):
    page, document = write("noise", "good")
    (pair,) = document["pairs"]
    assert (pair["first"], pair["second"]) == ("noise", "good")  # the table turns it round
    row = re.findall(r"<t[dh][^>]*>([^<]*)", page.split('<table class="pairs">')[1].split("</table>")[0])[-6:]
    ends = [text_of(-pair[end], "+.3f") for end in ("high", "low")]
    assert row[:4] == ["good", "noise", text_of(-pair["difference"], "+.3f"), " to ".join(ends)]
    assert pair["better"] == "good" and row[4:] == ["p &lt; .001", "p &lt; .001"]
    assert "<details open>" in page


def test_a_metric_without_srcc_is_not_said_to_agree_less(write):
    page = write("noise", "good", "constant")[0]
    said = "<b>good</b> has the highest SRCC with people;\nthe paired test shows every other metric to agree less"
    assert f"{said}; constant: no SRCC, so not tested." in page
    page = write("good", "constant")[0]
    assert "there is too little to test it against the others; constant: no SRCC, so not tested." in page
    assert "paired test" not in page and "Which differences" not in page


def test_the_document_has_the_best_metric_first_and_undefined_ones_last(write):
    assert list(write("constant", "noise", "good")[1]["metrics"]) == ["good", "noise", "constant"]
