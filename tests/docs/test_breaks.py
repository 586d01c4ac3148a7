"""The page of what breaks names tests that there are."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "breaks.md"


def test_every_test_that_the_page_names_is_there():
    file, found = "", 0
    for beginning, name in re.findall(r"`(?:(\w+/\w+\.py)::)?(test_\w+)`", PAGE.read_text()):
        file = beginning or file
        assert f"def {name}(" in (TESTS / file).read_text(), (file, name)
        found += 1
    assert found > 30
