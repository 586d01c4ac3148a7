"""CKDN against the authors' network, and its branches."""

import pytest
import torch
from golden import GOLDEN, assert_golden, image

from ir_quality_plugin import CKDN

VALUES = GOLDEN["ckdn"]
COMPACT = {"stem_width": 8, "planes": (4, 8), "depths": (1, 1), "hidden": 16}


@pytest.fixture(scope="module")
def run(golden_ckdn):
    images = ((image(1, 2, 12, 288, 288) - 0.5) / 0.25).requires_grad_()
    restored, degraded, rival, pristine = images.split(3, dim=1)
    output = golden_ckdn(restored, degraded, pristine=pristine, rival=rival)
    (gradient,) = torch.autograd.grad(output.degraded_reference.score.sum(), images, retain_graph=True)
    return output, gradient


@pytest.mark.parametrize(
    ("branch", "released"),
    [
        ("degraded_reference", "degraded_reference"),
        ("full_reference", "full_reference"),
        ("preference", "pairwise_preference"),
    ],
)
def test_every_branch_is_the_released_networks_before_and_after_the_sigmoid(run, branch, released):
    prediction = getattr(run[0], branch)
    logit = torch.tensor(VALUES["logits"][released])
    score = torch.tensor(VALUES["out"])[:, VALUES["columns"].index(released)]
    torch.testing.assert_close(prediction.logit, logit, rtol=0, atol=1e-4 * logit.abs().max())
    torch.testing.assert_close(prediction.score, score, rtol=0, atol=1e-5)


def test_alignment_is_the_released_networks(run):
    expected = torch.tensor(VALUES["out"])[:, VALUES["columns"].index("alignment_mse")]
    torch.testing.assert_close(run[0].alignment, expected, rtol=1e-4, atol=0)


def test_the_pixels_gradient_is_the_released_networks(run):
    assert_golden(run[1][:, :6], VALUES["grad_of_dr_sum"])
    assert run[1][:, 6:].abs().sum() == 0


def test_the_published_widths_have_the_published_number_of_parameters():
    network = CKDN()
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    assert round(sum(count.values()) / 1e6, 3) == 13.388
    assert round((sum(count.values()) - count["preference_predictor"]) / 1e6, 3) == 6.919


def test_a_branch_without_its_images_is_none():
    network, images = CKDN(**COMPACT).eval(), torch.rand(4, 2, 3, 32, 32)
    restored, degraded, pristine, rival = images
    assert network(restored) == (None, None, None, None)
    assert [branch is None for branch in network(restored, degraded)] == [False, True, True, True]
    assert [branch is None for branch in network(restored, pristine=pristine)] == [True, False, True, True]
    assert [branch is None for branch in network(restored, rival=rival)] == [True, True, False, True]


def test_both_settings_share_one_predictor():
    network, images = CKDN(**COMPACT).eval(), torch.rand(2, 2, 3, 32, 32)
    output = network(images[0], degraded=images[1], pristine=images[1])
    assert torch.equal(output.degraded_reference.score, output.full_reference.score)
    assert output.alignment.abs().sum() == 0


def test_alignment_pulls_on_both_sides():
    network = CKDN(**COMPACT).eval()
    degraded, pristine = (torch.rand(2, 3, 32, 32, requires_grad=True) for _ in range(2))
    network(torch.rand(2, 3, 32, 32), degraded, pristine).alignment.sum().backward()
    assert degraded.grad.abs().sum() > 0
    assert pristine.grad.abs().sum() > 0


def test_dropout_acts_in_training_alone():
    network, images = CKDN(**COMPACT, dropout=0.9), torch.rand(2, 4, 3, 32, 32)
    torch.manual_seed(0)
    network.train()
    assert not torch.equal(network(*images).degraded_reference.score, network(*images).degraded_reference.score)
    network.eval()
    assert torch.equal(network(*images).degraded_reference.score, network(*images).degraded_reference.score)
