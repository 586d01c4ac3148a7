"""Agreement of bfloat16 with float32: of which scorers, over what, and how it is said."""

import sys
from pathlib import Path

import torch

from benchmarks.speed import agreement, photographs, readme, table
from benchmarks.speed.__main__ import PARTS, arguments, steps
from ir_quality_plugin.catalog import list_scorers

sys.path.insert(0, str(Path(__file__).parent))

from speed_figures import result


def agreed(srcc, weights="shipped"):
    return {
        "images": 500, "squares": 112, "photographs": 9, "side_px": 128, "expected": 0.999, "srcc": srcc,
        "weights": weights,
    }  # fmt: skip


def test_bf16_is_asked_of_every_scorer_full_and_compact(monkeypatch):
    monkeypatch.setattr("sys.argv", ["speed"])
    asked = [step.name for step in steps(arguments()) if step.part == "agreement"]
    assert sorted(asked) == sorted(card.name for card in list_scorers())
    assert "agreement" in PARTS


def test_compact_scorers_are_asked_with_the_weights_that_ship(monkeypatch, tmp_path):
    monkeypatch.setattr(agreement, "COUNT", 4)
    found = agreement.agreement("ckdn-s", None, torch.device("cpu"))
    assert (found["weights"], found["images"], found["squares"]) == ("shipped", 4, 4)
    assert found["photographs"] == 9


def test_photographs_are_cut_into_squares_that_do_not_repeat():
    cut, count = photographs.squares(agreement.SIDE_PX)
    assert count == 9
    assert len(cut) > 100
    assert len({square.numpy().tobytes() for square in cut}) == len(cut)


def test_every_scorer_is_named_with_its_own_figure_and_what_it_was_measured_on():
    whole = result()
    whole["agreement"] = {"teacheriqa": agreed(0.96789, "drawn by a rule"), "ckdn-s": agreed(0.99987)}
    page, sentence = table.markdown(whole), readme.figures(whole)
    assert "over 500 distortions of 112 squares of 9 photographs of 128 px (asked: 0.999): teacheriqa 0.96789" in page
    assert "The weights of teacheriqa are drawn by a rule" in page
    assert "500 distortions of 112 squares of 9 photographs: teacheriqa 0.9678, ckdn-s 0.9998." in sentence
