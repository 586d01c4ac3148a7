"""Numbers as the pages write them."""

from __future__ import annotations

MINUS, NONE = "\N{MINUS SIGN}", "\N{EN DASH}"


def text_of(value: float | None, form: str = ".3f") -> str:
    """A number with a true minus, and none before a zero; an en dash where there is no number.

    Args:
        value: the number.
        form: as Python's format specification says.
    """
    if value is None:
        return NONE
    text = f"{value:{form}}"
    return text.replace("-", MINUS) if any(letter in "123456789" for letter in text) else text.replace("-", "")
