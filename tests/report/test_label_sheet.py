"""The sheet of labels: every input once, its restorations best first."""

import numpy as np
import pytest
from PIL import Image

from ir_quality_plugin.data.labels import LabelTable, Row
from ir_quality_plugin.report.contact_sheet import GAP_PX, LABEL_PX
from ir_quality_plugin.report.label_sheet import TILE_PX, label_sheet


@pytest.fixture
def table(tmp_path):
    """Three contents, each with a white, a grey and a black restoration; white is the worst of them."""
    rows = []
    for content in range(3):
        for value, mos in ((255, 0.1), (128, 0.9), (0, 0.5)):
            path = tmp_path / f"{content}_{value}.png"
            Image.new("RGB", (32, 32), (value, 50 * content, value)).save(path)
            rows.append(Row(path, mos, f"c{content}", reference=path))
    return LabelTable("made", tuple(rows), (0, 1), True)


def tile(sheet, row, column):
    left, top = GAP_PX + column * (TILE_PX + GAP_PX), GAP_PX + row * (TILE_PX + LABEL_PX)
    return tuple(np.asarray(sheet)[top + 10, left + 10])


def test_every_input_is_drawn_once_and_the_best_label_first(table):
    sheet = label_sheet(table, rows=12)
    assert sheet.height == GAP_PX + 3 * (TILE_PX + LABEL_PX)
    for row in range(3):
        assert [tile(sheet, row, column) for column in (2, 3, 4)] == [(v, 50 * row, v) for v in (128, 0, 255)]


def test_fewer_rows_are_taken_from_the_whole_table(table):
    sheet = label_sheet(table, rows=2)
    assert [tile(sheet, row, 2)[1] for row in range(2)] == [0, 100]
