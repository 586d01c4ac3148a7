"""Every figure that is short of its expectation is said, whatever part it is of."""

import sys
from pathlib import Path

import pytest

from benchmarks.speed import table
from benchmarks.speed.shortfalls import FOUND, WHY, shortfalls

sys.path.insert(0, str(Path(__file__).parent))

from speed_figures import result, times

ROOT = Path(__file__).parents[2]


def short_of_everything():
    whole = result()
    whole["compact"]["ckdn"]["ratio"] = 7.9
    whole["agreement"]["ckdn"]["srcc"] = 0.96
    whole["evaluation"]["ckdn fp32"] |= {
        "ratio": 0.76,
        "seconds": {"raw forward": times(7.6), "irq evaluate": times(10.0)},
    }
    return whole


SHORT = {
    "rows": "- CKDN score, bf16: 5.0x of 7x. At the floor it would be 10.0x; this is 50% of that.",
    "memory": "- CKDN score in fp32, first call: 0.50x of the peer's, 0.4x asked.",
    "compact": "- ckdn-s: 7.9x of 8x.",
    "agreement": "- ckdn: SRCC 0.96000 of 0.999.",
    "evaluation": "- ckdn, fp32: 0.76x of 0.9x: 300.0 ms a file beside the forward.",
    "steps": "- RRDBNet, fp32: ckdn 25% of at most 15% (asked on a GPU; this is a CPU).",
}


@pytest.mark.parametrize("part", SHORT)
def test_a_part_says_each_figure_that_is_short_and_where_the_reason_stands(part):
    lines = table.markdown(short_of_everything()).splitlines()
    place = lines.index(SHORT[part])
    heading = next(line for line in reversed(lines[:place]) if line.startswith("Short of what was asked"))
    assert WHY[part] in heading
    title = WHY[part].split('"')[1]
    assert f"**{title}.**" in (ROOT / "docs/decisions.md").read_text(encoding="utf-8")


def test_every_part_that_has_an_expectation_is_looked_at():
    measured = result()
    expecting = {
        part
        for part, entries in measured.items()
        if part != "machine" and any(isinstance(entry, dict) and "expected" in entry for entry in entries.values())
    }
    assert expecting | {"memory"} == set(FOUND) == set(SHORT)


def test_what_is_as_asked_is_no_shortfall():
    assert shortfalls("compact", result()) == shortfalls("agreement", result()) == []
    assert shortfalls("growth", result()) == []


def test_scores_that_were_all_one_are_a_shortfall():
    whole = result()
    whole["agreement"]["ckdn"]["srcc"] = float("nan")
    assert shortfalls("agreement", whole) == ["- ckdn: SRCC nan of 0.999."]


def test_a_full_size_and_a_compact_term_have_shares_of_their_own():
    whole = result()
    whole["steps"]["RRDBNet"]["share_recommended"] = {}
    whole["steps"]["RRDBNet"]["share"] = {name: {"fp32": 0.1, "bf16": 0.02} for name in ("ckdn", "ckdn-s")}
    assert shortfalls("steps", whole) == ["- RRDBNet, fp32: ckdn-s 10% of at most 3% (asked on a GPU; this is a CPU)."]
