"""The page of what breaks has a test for every row, and names tests that there are."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "breaks.md"


def test_every_test_that_the_page_names_is_there():
    file, found = "", 0
    for beginning, name in re.findall(r"`(?:(\w+/\w+\.py)::)?(test_\w+)`", PAGE.read_text()):
        file = beginning or file
        assert f"def {name}(" in (TESTS / file).read_text(), (file, name)
        found += 1
    assert found > 30


def rows_below(heading):
    """The cells of the table's rows below a heading."""
    section = re.split(r"^#+ ", PAGE.read_text().split(f"# {heading}\n")[1], flags=re.M)[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return lines[1:]


@pytest.mark.parametrize("part", ["Training", "Evaluation, benchmarks, labels, made data"])
def test_every_row_of_what_breaks_has_its_test_under_the_same_words(part):
    rows, tests = rows_below(part), rows_below(f"{part}: tests")
    assert len(rows) >= 11 and [row[0] for row in rows] == [row[0] for row in tests]
    assert all("test_" in row[1] for row in tests)
