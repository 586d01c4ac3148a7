"""pyiqa in both directions: our scorers as its metrics, its metrics as our losses."""

import pytest
import torch

import ir_quality_plugin as irq

pyiqa = pytest.importorskip("pyiqa")

from ir_quality_plugin.integrations.pyiqa_loss import PyiqaLoss  # noqa: E402
from ir_quality_plugin.integrations.register import register  # noqa: E402


def images(seed=0):
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


def test_pyiqa_creates_our_scorers_with_their_scores():
    register()
    metric = pyiqa.create_metric("irq_ckdn_s", weights="random", device=torch.device("cpu"))
    expected = irq.load_scorer("ckdn-s", weights="random")(images(), images(1))
    torch.testing.assert_close(metric(images(), images(1)).flatten(), expected)
    assert not metric.lower_better
    assert metric.metric_mode == "FR"


@pytest.mark.parametrize("metric", ["ssim", "gmsd"])
def test_minimising_comes_nearer_whatever_the_metrics_direction(metric):
    loss = PyiqaLoss(metric, loss_weight=0.5)
    clean = images()
    noise = 0.2 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    assert loss(clean, clean) < loss((clean + noise / 2).clamp(0, 1), clean) < loss((clean + noise).clamp(0, 1), clean)
    restored = (clean + noise).clamp(0, 1).requires_grad_()
    loss(restored, clean).backward()
    assert restored.grad.isfinite().all() and restored.grad.abs().sum() > 0
    assert not list(loss.parameters())
    with torch.no_grad():
        assert not loss(restored, clean).requires_grad


def test_what_is_missing_or_unknown_is_named():
    with pytest.raises(irq.UsageError, match="pyiqa has no metric 'sim'; did you mean"):
        PyiqaLoss("sim")
    with pytest.raises(irq.MissingInputError, match="ssim compares with the clean image"):
        PyiqaLoss("ssim")(images())
