"""The table of scores as a file."""

import csv

import numpy as np

from ir_quality_plugin.data.score_table import ScoreTable
from ir_quality_plugin.evaluation.table_file import write_scores


def test_one_line_a_score_and_failures_with_their_reason(tmp_path):
    table = ScoreTable.empty(("a", 'b, "b"'), ("one", "two"), ("ssim", "psnr"))
    table.present[:] = [[True, True], [True, False]]
    table.scores[0] = [[0.12345678, np.nan], [1, np.nan]]
    table.scores[1] = [[30.5, 31], [29, np.nan]]
    table.reasons["ssim", "a", "two"] = "too small"
    rows = list(csv.reader(write_scores(tmp_path / "scores.csv", table).open(newline="")))
    assert rows == [
        ["image", "method", "metric", "score", "reason"],
        ["a", "one", "ssim", "0.123457", ""],
        ["a", "one", "psnr", "30.5", ""],
        ["a", "two", "ssim", "", "too small"],
        ["a", "two", "psnr", "31", ""],
        ['b, "b"', "one", "ssim", "1", ""],
        ['b, "b"', "one", "psnr", "29", ""],
    ]
    assert table.failed_files() == [("a", "two")]


def test_a_name_that_is_no_text_is_written_as_it_is(tmp_path):
    table = ScoreTable.empty(("a\udcff",), ("one",), ("ssim",))
    table.present[:], table.scores[:] = True, 0.5
    assert b"a\xff,one,ssim,0.5," in write_scores(tmp_path / "scores.csv", table).read_bytes()
