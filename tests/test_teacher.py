"""The restoration network that the blind scorer started from, by its name."""

import pytest
import torch
from judged_images import PHOTOGRAPHS

import ir_quality_plugin as irq
from ir_quality_plugin.catalog import find_weights
from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.entries import TEACHER


def psnr(one, other):
    return -10 * (one - other).square().mean().log10()


def test_the_shipped_teacher_takes_noise_from_a_photograph():
    clean = read_image(sorted(PHOTOGRAPHS.glob("*.png"))[0])[None]
    noisy = (clean + 30 / 255 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    restored = irq.load_teacher()(noisy).restored
    assert restored.shape == clean.shape
    assert psnr(restored, clean) > psnr(noisy, clean) + 3  # dB; 6.8 on test photographs


def test_the_teacher_is_frozen_and_lets_gradients_through():
    teacher, degraded = irq.load_teacher(), torch.rand(1, 3, 40, 50, requires_grad=True)
    teacher(degraded).restored.sum().backward()
    assert degraded.grad.abs().sum() > 0
    assert not teacher.training and all(parameter.grad is None for parameter in teacher.parameters())


def test_the_features_of_the_loss_are_the_teachers_not_those_that_the_scorers_training_left():
    degraded, (own, left) = torch.rand(1, 3, 64, 64), (irq.load_teacher(), irq.load_scorer("teacheriqa-s").network)
    found = irq.TeacherFeatureLoss(layers={"map4": 1}).features(degraded)["map4"]
    torch.testing.assert_close(found, own.understand(degraded)[0].map4)
    assert not torch.allclose(found, left.teacher.understand(degraded)[0].map4)


@pytest.mark.parametrize("weights", ["random", None], ids=["random", "the scorer's file"])
def test_a_scorers_own_weights_hold_a_teacher_too(weights):
    weights = weights or find_weights("teacheriqa-s")
    inner = irq.load_scorer("teacheriqa-s", weights).network.teacher
    degraded = torch.rand(1, 3, 64, 64)
    assert torch.equal(irq.load_teacher(weights=weights)(degraded).restored, inner(degraded).restored)


def test_a_network_that_was_trained_here_is_taken_from_its_file(tmp_path):
    torch.save({"params_ema": irq.load_teacher().state_dict()}, tmp_path / "net_g_latest.pth")
    degraded = torch.rand(1, 3, 64, 64)
    found = irq.load_teacher(weights=tmp_path / "net_g_latest.pth")(degraded).restored
    assert torch.equal(found, irq.load_teacher()(degraded).restored)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: irq.load_teacher("ckdn-s"), "has no restoration teacher; expected teacheriqa"),
        (lambda: irq.load_teacher("teacher-s"), "did you mean 'teacheriqa-s'"),
        (lambda: irq.load_teacher("teacheriqa"), "irq weights convert"),
        (lambda: irq.load_scorer(TEACHER), "restores, it does not score"),
    ],
)
def test_what_is_no_teacher_is_refused(call, message):
    with pytest.raises(irq.QualityPluginError, match=message):
        call()
