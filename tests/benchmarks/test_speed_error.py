"""How far outputs and gradients are from the peer's, what memory the README says, and the bytes of a gradient."""

import sys
from pathlib import Path

import pytest
import torch

from benchmarks.speed import __main__ as run
from benchmarks.speed import readme, table
from benchmarks.speed.clock import Clock
from benchmarks.speed.floor import traffic
from benchmarks.speed.ratios import error
from benchmarks.speed.rows import Row
from benchmarks.speed.shortfalls import shortfalls

sys.path.insert(0, str(Path(__file__).parent))

from speed_figures import result


def with_errors(fp32):
    whole = result()
    found = {"of_largest": fp32, "relative_l2": 0.003, "cosine": 0.999996}
    bf16 = {"of_largest": 0.34, "relative_l2": 0.286, "cosine": 0.959}
    whole["rows"]["ckdn_score"] |= {"gradient": True, "error": {"fp32": found, "bf16": bf16}}
    return whole


def test_an_error_is_of_the_values_however_small_they_are():
    expected = torch.tensor([3e-6, 4e-6])
    found = error(expected + torch.tensor([0.0, 1e-6]), expected)
    assert found["of_largest"] == pytest.approx(0.25, rel=1e-4)
    assert found["relative_l2"] == pytest.approx(0.2, rel=1e-4)
    assert found["cosine"] == pytest.approx((9 + 20) / (5 * 34**0.5), rel=1e-6)


def test_a_measured_row_holds_the_errors_of_both_precisions(monkeypatch):
    values = {"peer fp32": [1.0, 2.0], "ours fp32": [1.0, 2.0], "ours bf16": [1.0, 1.5]}
    row = Row(
        "made",
        lambda side, precision, device: lambda: torch.tensor(values[f"{side} {precision}"]),
        lambda: torch.zeros(2, 2) @ torch.zeros(2, 2),
        {"fp32": 1.0, "bf16": 1.0},
        "a peer",
        gradient=True,
    )
    monkeypatch.setitem(run.ROWS, "made", row)
    measured = run.measure_row("made", Clock(torch.device("cpu"), rounds=1))
    assert measured["error"]["fp32"]["of_largest"] == 0
    assert measured["error"]["bf16"]["of_largest"] == 0.25
    assert measured["gradient"]


def test_a_gradients_error_stands_beside_its_factor():
    whole = with_errors(1e-6)
    page = table.markdown(whole)
    assert "| **5.0x** (gradient off by 28.6%) | 7x |" in page
    assert "| CKDN score | bf16 | 3.4e-01 | 2.9e-01 | 0.959000 |" in page
    assert "| 5.0x (gradient off by 28.6%) |" in readme.figures(whole)
    assert "gradient off" not in table.markdown(result())


def test_a_difference_that_is_large_for_the_values_is_a_shortfall():
    far = 'by 4.5e-02 of the largest value ("What else may fall short"); 1e-05 asked.'
    assert f"- CKDN score in fp32: off from the peer {far}" in shortfalls("rows", with_errors(0.045))
    assert not [line for line in shortfalls("rows", with_errors(1e-6)) if "off from" in line]


@pytest.mark.parametrize(
    ("difference", "value", "short"), [(2e-5, 14.0, False), (2e-5, 0.5, True), (7e-7, 7e-3, False)]
)
def test_a_score_is_asked_for_places_below_one_and_for_digits_above(difference, value, short):
    whole = result()
    whole["rows"]["ckdn_score"] |= {"largest_difference_fp32": difference, "largest_value_fp32": value}
    said = [line for line in shortfalls("rows", whole) if "off from" in line]
    assert said == (["- CKDN score in fp32: off from the peer by 2.0e-05; 1e-05 asked."] if short else [])


def test_the_readme_says_what_the_first_call_takes_too():
    said = readme.figures(result())
    assert "| 0.50x, later 0.25x | 0.30x, later 0.12x |" in said
    assert "the first call, with what stays of it" in said


@pytest.mark.parametrize("trains", [False, True])
def test_a_gradient_at_the_pixels_reads_no_input_of_a_convolution(trains):
    conv = torch.nn.Conv2d(4, 8, 3, padding=1, bias=False, device="meta").requires_grad_(trains)
    pixels = torch.zeros(2, 4, 10, 10, device="meta", requires_grad=True)
    features, weight, maps = 2 * 4 * 100, 8 * 4 * 9, 2 * 8 * 100
    forward, backward = features + weight + maps, maps + weight + features
    of_weights = features + weight if trains else 0
    assert traffic(lambda: conv(pixels).sum().backward()) == 4 * (forward + backward + of_weights)
