"""CVRKD against the authors' network, and its frozen backbone."""

import pytest
import torch
from einops import rearrange
from golden import GOLDEN, assert_golden, image

from ir_quality_plugin import CVRKD

VALUES = GOLDEN["cvrkd"]
COMPACT = {
    "patches": 2,
    "stem_width": 8,
    "planes": (4, 8, 8, 8),
    "depths": (1, 1, 1, 1),
    "local_width": 8,
    "grid": 3,
    "width": 16,
    "quality_depth": 2,
    "difference_depth": 3,
}


@pytest.fixture(scope="module")
def run(golden_cvrkd):
    restored = ((image(2, 2, 10, 3, 224, 224) - 0.5) / 0.25).requires_grad_()
    reference = (image(3, 2, 10, 3, 224, 224) - 0.5) / 0.25
    output = golden_cvrkd(restored, reference)
    output.score.sum().backward()
    return restored, output


def test_scores_are_the_released_networks(run):
    expected = torch.tensor(VALUES["score"])
    torch.testing.assert_close(run[1].score, expected, rtol=0, atol=1e-4 * expected.abs().max())


@pytest.mark.parametrize("block", range(18))
def test_every_difference_block_is_the_released_networks(run, block):
    assert len(run[1].difference_blocks) == VALUES["n_diff_inner"] == 18
    assert_golden(run[1].difference_blocks[block], VALUES["diff_inner"][block])


def test_the_stacked_features_and_their_embedding_are_the_released_networks(run, golden_cvrkd):
    with torch.no_grad():
        tokens = rearrange(golden_cvrkd.encode(run[0]), "b c h w -> b (h w) c")
        assert_golden(tokens, VALUES["lq_inner"][0])
        assert_golden(golden_cvrkd.quality_encoder.embed(tokens), VALUES["lq_inner"][1])


@pytest.mark.parametrize("block", range(9))
def test_every_quality_block_is_the_released_networks(run, block):
    assert len(run[1].quality_blocks) == VALUES["n_lq_inner"] - 2 == 9
    assert_golden(run[1].quality_blocks[block], VALUES["lq_inner"][block + 2])


def test_the_pixels_gradient_is_the_released_networks(run):
    assert_golden(run[0].grad, VALUES["grad_of_score_sum"])


def test_the_published_widths_have_the_published_number_of_parameters():
    network = CVRKD()
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert round(trainable / 1e6, 1) == 16.4
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 3) == 39.941  # 42.0 less 2.05 unused


def test_the_backbone_stays_frozen_while_the_rest_trains():
    network = CVRKD(**COMPACT).train()
    before = {name: tensor.clone() for name, tensor in network.backbone.state_dict().items()}
    network(*torch.rand(2, 2, 2, 3, 64, 64)).score.sum().backward()
    assert network.training and network.quality_encoder.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.backbone.state_dict().items())
    assert all(p.grad is None for p in network.backbone.parameters())
    assert all(p.grad is not None for name, p in network.named_parameters() if not name.startswith("backbone"))


def test_gradients_reach_the_pixels_through_the_frozen_backbone():
    restored = torch.rand(1, 2, 3, 64, 64, requires_grad=True)
    CVRKD(**COMPACT)(restored, torch.rand(1, 2, 3, 64, 64)).score.sum().backward()
    assert restored.grad.abs().sum() > 0


def test_encoded_once_a_reference_serves_again():
    network = CVRKD(**COMPACT).eval()
    restored, reference = torch.rand(2, 2, 2, 3, 64, 64)
    together = network(restored, reference).score
    assert torch.equal(network.judge(network.encode(restored), network.encode(reference)).score, together)


def test_the_reference_matters():
    network = CVRKD(**COMPACT).eval()
    restored, reference = torch.rand(2, 2, 2, 3, 64, 64)
    assert not torch.equal(network(restored, reference).score, network(restored, restored).score)
