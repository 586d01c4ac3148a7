"""Numbers as the pages write them."""

from __future__ import annotations

MINUS, NONE = "\N{MINUS SIGN}", "\N{EN DASH}"


def text_of(value: float | None, form: str = ".3f") -> str:
    """A number with a true minus; an en dash where there is none.

    Args:
        value: the number.
        form: as Python's format specification says.
    """
    return NONE if value is None else f"{value:{form}}".replace("-", MINUS)
