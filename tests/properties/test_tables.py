"""Label tables: whatever writes them, in whatever order, the same rows and the same statistics."""

import csv
import io
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from ir_quality_plugin.checkpoints.table_file import write_table
from ir_quality_plugin.data.csv_file import read_entries
from ir_quality_plugin.data.readers import read_csv
from ir_quality_plugin.errors import UsageError
from ir_quality_plugin.metrics.correlation import agreement

# No line break within a cell's own line is lost by csv; blanks at a cell's beginning belong to the separator.
words = some.text(some.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=("Cs",)), max_size=12)
cells = words.map(str.strip)
numbers = some.floats(-100, 100, allow_nan=False).map(lambda number: round(number, 3))


@given(rows=some.lists(some.tuples(cells, cells, cells), min_size=1, max_size=6))
def test_a_table_that_is_written_is_read_back(tmp_path_factory, rows):
    assume(all(any(row) for row in rows))
    path = write_table(tmp_path_factory.mktemp("table") / "t.csv", ("one", "two", "three"), rows)
    assert [tuple(entry.values()) for entry in read_entries(path, ("one", "two"))] == rows


def table_of(folder, rows, encoding="utf-8", newline="\n", quoting=csv.QUOTE_MINIMAL, space="", delimiter=","):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=newline, quoting=quoting, delimiter=delimiter)
    writer.writerows([["image", "mos", "content"], *rows])
    path = folder / "labels.csv"
    path.write_bytes(text.getvalue().replace(delimiter, delimiter + space).encode(encoding))
    return path


def images_in(folder, count):
    for index in range(count):
        (folder / f"im{index}.png").write_bytes(b"any")
    return [f"im{index}.png" for index in range(count)]


@given(
    scores=some.lists(numbers, min_size=2, max_size=8),
    encoding=some.sampled_from(["utf-8", "utf-8-sig"]),
    newline=some.sampled_from(["\n", "\r\n"]),
    quoting=some.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    space=some.sampled_from(["", " "]),
    data=some.data(),
)
def test_a_table_is_the_same_by_whatever_program_and_in_whatever_order(
    tmp_path_factory, scores, encoding, newline, quoting, space, data
):
    folder = tmp_path_factory.mktemp("labels")
    names = images_in(folder, len(scores))
    rows = [(name, score, f"c{index % 3}") for index, (name, score) in enumerate(zip(names, scores, strict=True))]
    plain = read_csv(table_of(folder, rows))
    order = data.draw(some.permutations(range(len(rows))))
    other = read_csv(table_of(folder, [rows[index] for index in order], encoding, newline, quoting, space))
    assert set(other.rows) == set(plain.rows)
    assert (other.mos_range, other.higher_is_better) == (plain.mos_range, plain.higher_is_better)
    if len({row.content for row in plain.rows}) > 1:
        parts = [table.split(0, (0.5, 0.5)) for table in (plain, other)]
        assert [set(part.rows) for part in parts[0]] == [set(part.rows) for part in parts[1]]


@given(
    mos=some.lists(numbers, min_size=4, max_size=30),
    noise=some.lists(numbers, min_size=30, max_size=30),
    data=some.data(),
)
def test_statistics_do_not_know_the_order_of_rows(mos, noise, data):
    mos = np.array(mos)
    scores = mos + np.array(noise[: len(mos)])
    contents = [f"c{index % 2}" for index in range(len(mos))]
    order = list(data.draw(some.permutations(range(len(mos)))))
    found = agreement(scores, mos, contents)
    again = agreement(scores[order], mos[order], [contents[index] for index in order])
    for name in ("srcc", "krcc", "plcc"):
        one, other = getattr(found, name), getattr(again, name)
        assert one == pytest.approx(other, abs=1e-9, nan_ok=True), name
        assert math.isnan(one) or -1 - 1e-9 <= one <= 1 + 1e-9


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_table_of_another_separator_is_refused_with_what_it_has(tmp_path, delimiter):
    names = images_in(tmp_path, 2)
    with pytest.raises(UsageError, match="has no column 'image'; it has image"):
        read_csv(table_of(tmp_path, [(name, 1.0, "c") for name in names], delimiter=delimiter))


@given(content=some.binary(max_size=200))
def test_any_bytes_are_a_table_or_an_error_that_names_the_file(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    path.write_bytes(b"image,mos\n" + content)
    try:
        table = read_csv(path)
    except UsageError as error:
        assert "labels.csv" in str(error)
        return
    assert table.rows
