"""The papers' formulas by hand."""

import pytest
import torch
from torch import nn

from ir_quality_plugin.losses.distillation import alignment_penalty, block_distance, gradient_norm, rival_wins


def test_four_hundred_points_of_elo_are_tenfold_odds():
    mos = torch.tensor([0.5, 0.5, 0.5])
    rival = torch.tensor([0.5, 0.9, 0.1])
    assert rival_wins(mos, rival, points=1000.0).tolist() == pytest.approx([0.5, 10 / 11, 1 / 11])


def test_the_two_forms_of_the_alignment():
    alignment = torch.tensor([0.1, 0.3])
    assert alignment_penalty(alignment, "paper").item() == pytest.approx(0.2)
    assert alignment_penalty(alignment, "released").item() == pytest.approx(0.04)
    assert alignment_penalty(alignment).item() == pytest.approx(0.04)


def test_every_block_counts_and_the_teacher_takes_no_gradient():
    student = [torch.full((2, 3, 4), float(index), requires_grad=True) for index in range(18)]
    teacher = [torch.zeros(2, 3, 4, requires_grad=True) for _ in range(18)]
    distance = block_distance(student, teacher)
    distance.backward()
    assert distance.item() == pytest.approx(sum(index**2 for index in range(18)))
    assert all(block.grad is not None for block in student)
    assert all(block.grad is None for block in teacher)


def test_a_teacher_of_another_depth_is_refused():
    with pytest.raises(ValueError, match="shorter"):
        block_distance([torch.zeros(1, 1, 1)] * 3, [torch.zeros(1, 1, 1)] * 2)


def test_the_norm_of_a_linear_score_is_that_of_its_weights():
    weights = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    images = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    norms = gradient_norm(lambda x: (x * weights).sum(dim=(1, 2, 3)), images)
    assert norms.tolist() == pytest.approx([weights.abs().sum().item()] * 2)


def test_the_norm_of_a_smooth_score_is_autograds_up_to_the_step():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 1)).double()
    images = torch.rand(2, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(images).sum(), images)
    exact = gradient.abs().sum(dim=(1, 2, 3))
    found = gradient_norm(lambda x: network(x).flatten(), images, step=1e-5)
    torch.testing.assert_close(found, exact, rtol=1e-3, atol=0)


def test_lowering_the_norm_lowers_it():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    images = torch.rand(4, 3, 2, 2)
    before = gradient_norm(lambda x: network(x).flatten(), images).mean()
    before.backward()
    with torch.no_grad():
        for weight in network.parameters():
            if weight.grad is not None:
                weight -= 0.1 * weight.grad
    after = gradient_norm(lambda x: network(x).flatten(), images).mean()
    assert after < before
    assert after.isfinite()
