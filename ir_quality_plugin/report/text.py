"""Numbers as the pages write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


def ranking_note(test: Mapping[str, Any]) -> str:
    """What the rank of a metric means.

    Args:
        test: of `metrics.swapping.verdict`.
    """
    pairs = f"all {test['pairs']} pairs together ({test['correction']})" if test["pairs"] > 1 else "the one pair"
    return (
        "A rank is one more than the number of metrics that the paired test shows to agree better, at "
        f"{100 * test['level']:.0f} % for {pairs}; whether two intervals overlap decides nothing. On made scores it "
        "called two metrics that agree alike different in near 5 % of sets, and in up to 12 % of small ones where the "
        "two err in different ways."
    )
