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


def ranking_note(test: Mapping[str, Any], within: Mapping[str, Any]) -> str:
    """What the rank of a metric means.

    Args:
        test: of `metrics.swapping.verdict`.
        within: likewise, of the test within contents.
    """
    pairs = f"all {test['pairs']} pairs together ({test['correction']})" if test["pairs"] > 1 else "the one pair"
    return (
        "A rank is one more than the number of metrics that the paired test shows to agree better, at "
        f"{100 * test['level']:.0f} % for {pairs}; whether two intervals overlap decides nothing. On made scores it "
        "called two metrics that agree alike different in near 5 % of sets, and in up to 12 % of small ones where the "
        "two err in different ways."
        + (
            " The rank within contents is by the same test, on the ranks within each content."
            if within["pairs"]
            else ""
        )
    )


def votes_note(pairs: Mapping[str, Any]) -> str:
    """How many pairs that people chose from count, and what a metric could reach at most.

    Args:
        pairs: of `engine.benchmark_votes.Voted`.
    """
    used = f"{pairs['used']} of {pairs['pairs']} pairs that people chose from are used"
    if not pairs["used"]:
        return f"{used}: of none did every metric score both images."
    return (
        f"{used}, those of which every metric scored both images. Without a majority, in 2AFC alone: "
        f"{pairs['undecided']}. Who always sides with the majority reaches a 2AFC of "
        f"{text_of(pairs['two_afc_people'])}, the most that a metric can."
    )
