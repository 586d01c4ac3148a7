"""Tables as files: names that are no text, and a writer that fails half-way."""

import csv

import pytest

import ir_quality_plugin as irq
from ir_quality_plugin.checkpoints.table_file import write_table


def test_cells_are_read_back_as_they_were_given(tmp_path):
    path = write_table(tmp_path / "new" / "scores.csv", ("image", "score"), [['a, "b"\n', 0.1 + 0.2], ["", ""]])
    assert list(csv.reader(path.open(newline=""))) == [
        ["image", "score"],
        ['a, "b"\n', "0.30000000000000004"],
        ["", ""],
    ]


def test_bytes_of_a_name_that_are_no_text_are_written_as_they_are(tmp_path):
    assert write_table(tmp_path / "scores.csv", ("image",), [["a\udcff é"]]).read_bytes() == b"image\na\xff \xc3\xa9\n"


def test_rows_that_fail_leave_the_earlier_table(tmp_path):
    path = write_table(tmp_path / "scores.csv", ("image",), [["one"]])
    with pytest.raises(irq.CheckpointError, match="nothing was left behind"):
        write_table(path, ("image",), ([1 / (2 - number)] for number in range(4)))
    assert path.read_text() == "image\none\n" and [*tmp_path.iterdir()] == [path]
