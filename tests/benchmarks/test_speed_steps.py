"""The share of a training step: measured on new crops at every call, and with the README's options too."""

import sys
from pathlib import Path

import pytest
import torch

import ir_quality_plugin as irq
from benchmarks.speed import steps, table
from benchmarks.speed.clock import Clock
from benchmarks.speed.shortfalls import shortfalls

sys.path.insert(0, str(Path(__file__).parent))

from speed_figures import result

ROOT = Path(__file__).parents[2]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(steps, "TERMS", ("cvrkd-s",))
    monkeypatch.setattr(steps, "CROP_PX", 64)
    monkeypatch.setattr(steps, "CPU_BATCH", 1)
    monkeypatch.setattr(steps, "_networks", lambda: {"made": lambda: torch.nn.Upsample(scale_factor=4)})
    monkeypatch.setattr(steps, "_step", lambda network, precision: lambda given: None)


def test_no_call_of_a_term_sees_crops_that_it_saw_before(small, monkeypatch):
    seen = {}

    class Watched(irq.QualityLoss):
        def forward(self, restored, degraded=None, reference=None, fidelity=None):
            images = tuple(image.detach().numpy().tobytes() for image in (restored, degraded, reference))
            seen.setdefault(id(self.scorer), []).append(images)
            return super().forward(restored, degraded, reference, fidelity)

    monkeypatch.setattr(irq, "QualityLoss", Watched)
    found = steps.training_step("made", Clock(torch.device("cpu"), rounds=2))
    assert len(seen) == 3  # fp32, bf16, and the README's options, each by a scorer of its own
    for images in seen.values():
        assert len(images) == 3  # one that does not count, and two rounds
        assert all(len(set(one)) == 3 for one in zip(*images, strict=True))
    assert set(found["share_recommended"]) == {"cvrkd-s"}


def test_with_the_readmes_options_the_clean_crop_is_scored_too_and_the_term_is_balanced(small, monkeypatch):
    scorer = irq.load_scorer("cvrkd-s")
    scored = []
    score = scorer.score
    monkeypatch.setattr(scorer, "score", lambda *given: scored.append(1) or score(*given))
    given = steps.crops(1, 0, torch.device("cpu"))
    for options, times in (({}, 1), (steps.RECOMMENDED, 2)):
        term = irq.QualityLoss(scorer, **options)
        steps.term_call(term)(given)
        assert len(scored) == times
        assert (term.balance is not None) == bool(options)
        scored.clear()


def test_what_is_recommended_is_what_the_readme_has():
    written = ", ".join(f"{option}={value!r}".replace("'", '"') for option, value in steps.RECOMMENDED.items())
    assert f'irq.QualityLoss("ckdn-s", {written})' in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_share_with_the_readmes_options_stands_below_the_bare_terms():
    page = table.markdown(result())
    assert "| RRDBNet | fp32, with the README's options | 1000 ms [900, 1100] | 30% |" in page
    short = "- RRDBNet, fp32 with the README's options: ckdn 30% of at most 15% (asked on a GPU; this is a CPU)."
    assert short in shortfalls("steps", result())
