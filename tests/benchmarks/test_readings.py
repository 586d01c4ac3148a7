"""The readings that speed is measured against: the same networks as ours, score for score."""

import pytest
import torch

import ir_quality_plugin as irq
from benchmarks.speed.readings import CVRKDReading, TeacherIQAReading


@pytest.mark.parametrize(("name", "reading", "shape"), [
    ("teacheriqa", TeacherIQAReading, (1, 3, 224, 224)), ("cvrkd", CVRKDReading, (1, 10, 3, 224, 224)),
])  # fmt: skip
def test_a_reading_gives_our_score(name, reading, shape):
    scorer = irq.load_scorer(name, weights="random")
    theirs = reading().eval()
    theirs.load_state_dict(scorer.network.state_dict())
    images = [torch.rand(shape, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    given = images if name == "cvrkd" else images[:1]
    with torch.no_grad():
        expected = scorer.folded(*given).score
        torch.testing.assert_close(theirs(*given), expected, rtol=1e-5, atol=1e-5)
