"""The blocks against torchvision and against slow, written-out references."""

import pytest
import torch
from torch.nn import functional
from torchvision.models import resnet50

from ir_quality_plugin.nn.attention import LongRangeAttention
from ir_quality_plugin.nn.inception import Inception, InceptionConv, TripleConv
from ir_quality_plugin.nn.mixer import MixerEncoder
from ir_quality_plugin.nn.resnet import ResidualPyramid


def test_every_tap_of_the_pyramid_is_torchvisions():
    theirs = resnet50(weights=None).eval()
    ours = ResidualPyramid().eval()
    weights = {name: tensor for name, tensor in theirs.state_dict().items() if not name.startswith("fc")}
    ours.load_state_dict(weights)
    images = torch.rand(1, 3, 70, 90)
    with torch.no_grad():
        expected = [theirs.relu(theirs.bn1(theirs.conv1(images)))]
        features = theirs.maxpool(expected[0])
        for stage in (theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4):
            features = stage(features)
            expected.append(features)
        for tap, tensor in zip(ours(images), expected, strict=True):
            torch.testing.assert_close(tap, tensor)


def test_attention_starts_as_the_identity():
    features = torch.rand(2, 16, 3, 4)
    assert torch.equal(LongRangeAttention(16)(features), features)


def test_attention_is_the_formula_position_by_position():
    block = LongRangeAttention(8)
    torch.nn.init.constant_(block.gamma, 0.7)
    features = torch.randn(1, 8, 2, 3)
    query, key, value = (part(features).flatten(2)[0] for part in (block.query, block.key, block.value))
    expected = features.flatten(2)[0].clone()
    for position in range(6):
        energy = torch.stack([query[:, position] @ key[:, other] for other in range(6)])
        weight = energy.exp() / energy.exp().sum()
        expected[:, position] += 0.7 * sum(weight[other] * value[:, other] for other in range(6))
    torch.testing.assert_close(block(features).flatten(2)[0], expected)


def test_the_mixer_is_the_formula_written_out():
    encoder = MixerEncoder(in_channels=5, tokens=4, width=6, depth=2)
    features = torch.randn(1, 5, 2, 2)
    tokens = torch.stack([encoder.embed(features[0, :, y, x]) for y in range(2) for x in range(2)])
    for block in encoder.blocks:
        normed = block.token_norm(tokens)
        first, second = block.token_mlp[0], block.token_mlp[2]
        hidden = functional.gelu(first.weight[:, :, 0] @ normed + first.bias[:, None])
        tokens = tokens + second.weight[:, :, 0] @ hidden + second.bias[:, None]
        first, second = block.channel_mlp[0], block.channel_mlp[2]
        hidden = functional.gelu(block.channel_norm(tokens) @ first.weight.T + first.bias)
        tokens = tokens + hidden @ second.weight.T + second.bias
    encoding = encoder(features)
    torch.testing.assert_close(encoding.blocks[-1][0], tokens)
    torch.testing.assert_close(encoding.summary[0], encoder.norm(tokens).mean(dim=0))
    assert len(encoding.blocks) == 2


@pytest.mark.parametrize("block", [Inception(12, 16), InceptionConv(12, 16)])
def test_inception_keeps_the_resolution(block):
    assert block(torch.rand(2, 12, 9, 7)).shape == (2, 16, 9, 7)


def test_the_triple_convolution_is_grouped_by_half_the_width():
    convolutions = [layer for layer in TripleConv(8) if isinstance(layer, torch.nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.groups) for c in convolutions] == [(8, 4, 4), (4, 4, 4), (4, 8, 4)]
