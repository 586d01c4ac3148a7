"""PyiqaLoss: what pyiqa's `as_loss=True` gets wrong is right."""

import copy

import pytest
import torch
from torch import nn

import ir_quality_plugin as irq

pytest.importorskip("pyiqa")

import pyiqa

from ir_quality_plugin.integrations.pyiqa_loss import PyiqaLoss


def images(seed, batch=2, size=64):
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(seed))


CLEAN, RESTORED = images(0), (images(0) + 0.1 * images(1)).clamp(0, 1)


@pytest.mark.parametrize(("metric", "sign"), [("ssim", -1), ("vif", -1), ("gmsd", 1), ("mad", 1)])
def test_the_value_is_the_metrics_own_with_the_sign_that_makes_less_better(metric, sign):
    expected = sign * pyiqa.create_metric(metric, device="cpu")(RESTORED, CLEAN).mean().item()
    assert PyiqaLoss(metric, loss_weight=0.5)(RESTORED, reference=CLEAN).item() == pytest.approx(0.5 * expected, 1e-4)


def test_reductions_are_torchs():
    each = PyiqaLoss("gmsd", reduction="none")(RESTORED, reference=CLEAN)
    assert each.shape == (2,)
    torch.testing.assert_close(PyiqaLoss("gmsd", reduction="mean")(RESTORED, reference=CLEAN), each.mean())
    torch.testing.assert_close(PyiqaLoss("gmsd", reduction="sum")(RESTORED, reference=CLEAN), each.sum())


def test_gradients_reach_the_restored_image_alone_and_follow_the_callers_mode():
    loss = PyiqaLoss("ssim")
    restored, clean = RESTORED.clone().requires_grad_(), CLEAN.clone().requires_grad_()
    loss(restored, reference=clean).backward()
    assert restored.grad.isfinite().all()
    assert restored.grad.abs().sum() > 0
    assert clean.grad is None
    with torch.no_grad():
        assert not loss(restored, reference=clean).requires_grad


class Student(nn.Module):
    """A metric's network with everything that must not move: weights, dropout, statistics."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))

    def forward(self, restored):
        return self.layers(restored).mean((1, 2, 3))


def test_a_metric_with_weights_is_frozen_in_eval_mode_and_no_part_of_a_checkpoint(monkeypatch):
    metric = nn.Module()
    metric.net, metric.lower_better, metric.metric_mode = Student(), False, "NR"
    monkeypatch.setattr("ir_quality_plugin.integrations.pyiqa_loss.build_metric", lambda *_, **__: metric)
    loss = PyiqaLoss("student")
    before = copy.deepcopy(metric.net.state_dict())
    parent = nn.Sequential(loss).train()
    first, second = loss(RESTORED), loss(RESTORED)
    assert torch.equal(first, second)  # no dropout
    assert all(torch.equal(value, before[name]) for name, value in metric.net.state_dict().items())
    assert list(parent.parameters()) == []
    assert dict(parent.state_dict()) == {}
    assert not any(weight.requires_grad for weight in metric.net.parameters())


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_nan_and_inf_raise(value):
    broken = RESTORED.clone()
    broken[0, 0, 0, 0] = value
    with pytest.raises(irq.ImageError, match="restored holds NaN or Inf"):
        PyiqaLoss("ssim")(broken, reference=CLEAN)


def test_overshoot_is_scored_as_if_clamped():
    loss = PyiqaLoss("ssim")
    torch.testing.assert_close(loss(RESTORED * 3 - 1, reference=CLEAN), loss((RESTORED * 3 - 1).clamp(0, 1), CLEAN))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss_weight": -1}, "loss_weight=-1; expected a number of at least 0"),
        ({"loss_weight": "1e-4"}, "expected a number"),
        ({"reduction": "median"}, "expected one of none, mean, sum"),
        ({"metric": "simm"}, "pyiqa has no metric 'simm'; did you mean"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(irq.UsageError, match=message):
        PyiqaLoss(**options)


def test_a_missing_clean_image_is_said():
    with pytest.raises(irq.MissingInputError, match="ssim compares with the clean image; pass reference="):
        PyiqaLoss("ssim")(RESTORED)
