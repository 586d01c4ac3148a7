"""README's table of the shipped scorers: what it says of its figures."""

import json
from pathlib import Path

import pytest

from benchmarks import shipped
from benchmarks.readme import filled

ROOT = Path(__file__).parents[2]


def agreement(**found):
    kinds = {"srcc": 0.5, "srcc_within": None}
    metrics = {name: kinds | own for name, own in found.items()}
    return {"people": [{"set": {"name": name}, "metrics": metrics} for name in (shipped.FRESH_SR, shipped.GAN)]}


def measured(**gains):
    times = {kind: {"median_s": seconds} for kind, seconds in (("score", 0.0123), ("gradient", 0.0456))}
    gained = {name: {"gain": gain, "gain_interval": [gain - 0.1, gain + 0.1]} for name, gain in gains.items()}
    preferred = {"gan_above_l1": 3, "clean_above_both": 4, "photographs": 5}
    return {"gaming": gained, "costs": dict.fromkeys(gains, times), "preferences": dict.fromkeys(gains, preferred)}


def row_of(table, name):
    (line,) = (line for line in table.splitlines() if line.startswith(f"| `{name}` |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_says_how_a_scorer_agrees_what_it_costs_and_how_it_is_gamed():
    table = shipped.table(
        agreement(**{"teacheriqa-s": {"srcc": 0.61, "srcc_within": -0.2}, "vsi": {}}),
        measured(**{"teacheriqa-s": 0.25, "vsi": 0.3}),
    )
    gan, preferred, costs = "\N{MINUS SIGN}0.20", ["3 of 5", "4 of 5"], ["12", "46"]
    assert row_of(table, "teacheriqa-s")[3:] == ["0.61", gan, gan, *preferred, "25% (15% to 35%)", *costs]
    # A metric that sees the clean image is only moved towards it.
    assert row_of(table, "vsi")[3:] == ["0.50", "\N{EN DASH}", "\N{EN DASH}", *preferred, "[30% (20% to 40%)]", *costs]
    assert row_of(table, "cvrkd-s")[3:] == ["–"] * 8  # nothing measured


def test_a_table_needs_its_place():
    assert filled("a\n<!-- b -->\nold\n<!-- e -->\n", "<!-- b -->", "<!-- e -->", "new") == (
        "a\n<!-- b -->\nnew\n<!-- e -->\n"
    )
    with pytest.raises(LookupError, match="put the two lines back"):
        filled("# README", shipped.BEGIN, shipped.END, "new")


def test_readme_has_the_committed_figures():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = [json.loads((ROOT / f"benchmarks/results/{name}.json").read_text()) for name in ("agreement", "shipped")]
    assert filled(text, shipped.BEGIN, shipped.END, shipped.table(*found)) == text, (
        "run: python -m benchmarks.shipped --readme"
    )


def test_the_figures_are_of_the_weights_that_ship():
    measured = json.loads((ROOT / "benchmarks/results/shipped.json").read_text())
    assert measured["weights"] == {name: shipped.digest(name) for name in ("teacheriqa-s", "ckdn-s", "cvrkd-s")}, (
        "run: python -m benchmarks.shipped"
    )
