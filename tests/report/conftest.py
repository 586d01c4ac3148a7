"""A headless browser for the pages."""

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def browser():
    """The command of a browser; where there is none the test is skipped, or fails under IRQ_REQUIRE_BROWSER=1."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        stop = pytest.fail if os.environ.get("IRQ_REQUIRE_BROWSER") == "1" else pytest.skip
        stop("needs chromium: apt-get install chromium")
    return found
