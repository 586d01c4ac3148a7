"""Figures of README that are written by benchmarks, between two comments."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def filled(text: str, begin: str, end: str, figures: str) -> str:
    """A text with new figures between its two comments.

    Raises:
        LookupError: the comments are not there.
    """
    pattern = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise LookupError(f"README.md has no figures between {begin} and {end}; put the two lines back")
    return pattern.sub(lambda _: f"{begin}\n{figures}\n{end}", text)
