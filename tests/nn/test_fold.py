"""Folded blocks against the blocks themselves: the same outputs, the same gradients, and nothing of theirs changed."""

import pytest
import torch
from torch import nn

from ir_quality_plugin.nn.fold import fold
from ir_quality_plugin.nn.folded_pool import SlidingMax, is_sliding
from ir_quality_plugin.nn.inception import InceptionConv
from ir_quality_plugin.nn.resnet import Bottleneck, ResidualPyramid


def frozen(module: nn.Module) -> nn.Module:
    """Weights and statistics that matter, drawn from a seed."""
    draw = torch.Generator().manual_seed(0)
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=draw)
            tensor.data.copy_(0.5 + noise.abs() if "var" in name else 0.3 * noise + ("norm" in name or "bn" in name))
    return module.eval().requires_grad_(False)


def features(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def assert_alike(module: nn.Module, given: torch.Tensor) -> None:
    plain, fast = given.clone().requires_grad_(), given.clone().requires_grad_()
    expected, found = module(plain), fold(module)(fast)
    if isinstance(expected, tuple):
        expected, found = expected[-1], found[-1]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item())
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2))
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    torch.testing.assert_close(fast.grad, plain.grad, rtol=1e-4, atol=1e-5 * plain.grad.abs().max().item())
    with torch.no_grad():
        again = fold(module)(given)
    torch.testing.assert_close(again[-1] if isinstance(again, tuple) else again, found.detach())


@pytest.mark.parametrize(
    ("block", "shape"),
    [
        (Bottleneck(16, 8), (2, 16, 9, 11)),
        (Bottleneck(32, 8), (2, 32, 9, 11)),
        (Bottleneck(16, 8, stride=2), (2, 16, 9, 11)),
        (InceptionConv(24, 16), (2, 24, 7, 9)),
        (ResidualPyramid(8, (8, 8, 8, 8), (2, 1, 1, 1)), (2, 3, 64, 96)),
        (nn.ConvTranspose2d(12, 8, 2, 2), (2, 12, 5, 6)),
        (nn.Sequential(nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Sequential(nn.Conv2d(4, 4, 1)), nn.ReLU()), (2, 8, 6, 6)),
    ],
    ids=["bottleneck", "bottleneck without projection", "strided", "inception", "pyramid", "up", "chain"],
)
def test_a_folded_block_gives_the_same_output_and_gradient(block, shape):
    assert_alike(frozen(block), features(*shape))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (31, 45)])
@pytest.mark.parametrize(
    ("channels", "side", "stride", "padding", "groups"),
    [(3, 7, 2, 3, 1), (3, 3, 2, 1, 1), (3, 5, 3, 2, 1), (3, 4, 2, 0, 1), (16, 1, 2, 0, 1), (16, 3, 2, 1, 1),
     (16, 3, 1, 1, 8), (8, 5, 1, 2, 8), (8, 3, 1, 0, 1)],
)  # fmt: skip
def test_the_gradient_of_any_convolution_is_the_same(channels, side, stride, padding, groups, height, width):
    conv = nn.Conv2d(channels, 16, side, stride, padding, groups=groups)
    assert_alike(frozen(nn.Sequential(conv, nn.ReLU())), features(2, channels, height, width))


def unusual(**options) -> nn.Conv2d:
    return nn.Conv2d(8, 8, options.pop("side", 3), bias=False, **options)


def with_unusual_convolutions(block: nn.Module) -> nn.Module:
    """The same block, its 3x3 convolutions dilated."""
    for module in block.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
            module.dilation = module.padding = (2, 2)
    return block


@pytest.mark.parametrize(
    "module",
    [
        unusual(dilation=2, padding=2),
        unusual(padding="same"),
        unusual(padding="valid"),
        unusual(padding=1, padding_mode="reflect"),
        unusual(side=1, padding=1),
        nn.Sequential(unusual(dilation=2), nn.BatchNorm2d(8), nn.ReLU()),
        nn.Sequential(unusual(), nn.BatchNorm2d(8, track_running_stats=False), nn.ReLU()),
        nn.Sequential(unusual(), nn.BatchNorm2d(8, affine=False), nn.ReLU()),
        nn.ConvTranspose2d(8, 8, 2, 2, dilation=2),
        nn.ConvTranspose2d(8, 8, 2, 2, output_padding=1),
        with_unusual_convolutions(Bottleneck(8, 4)),
        nn.Sequential(with_unusual_convolutions(Bottleneck(8, 2)), Bottleneck(8, 2)),
        with_unusual_convolutions(InceptionConv(8, 16)),
    ],
    ids=["dilated", "same", "valid", "reflected", "padded beyond the kernel", "dilated in a chain",
         "statistics of the batch", "no factor", "up dilated", "up padded", "bottleneck", "bottlenecks", "inception"],
)  # fmt: skip
def test_a_convolution_of_another_kind_computes_what_it_did(module):
    assert_alike(frozen(module), features(2, 8, 9, 11))


def test_a_pyramid_with_a_stem_of_another_kind_computes_what_it_did():
    trunk = ResidualPyramid(8, (8, 8, 8, 8), (1, 1, 1, 1))
    trunk.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False, padding_mode="circular")
    assert_alike(frozen(trunk), features(2, 3, 64, 96))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("height", "width"), [(2, 2), (2, 7), (7, 3), (8, 9), (1, 5), (1, 1)])
def test_a_maximum_of_neighbours_is_the_max_pools(height, width, dtype, stride):
    pool = nn.MaxPool2d(3, stride, 1)
    given = (features(2, 5, height, width) - 2).to(dtype).contiguous(memory_format=torch.channels_last)
    assert is_sliding(pool)
    with torch.no_grad():
        assert torch.equal(SlidingMax(pool)(given), pool(given))


@pytest.mark.parametrize(
    "pool",
    [nn.MaxPool2d(2, 2), nn.MaxPool2d(3, 2), nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.MaxPool2d(3, 1, 1, dilation=2),
     nn.MaxPool2d(3, 3, 1)],
)  # fmt: skip
def test_any_other_max_pool_stays_torchs(pool):
    assert not is_sliding(pool)
    assert fold(pool) is pool


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("blocks", [1, 3])
def test_no_map_that_somebody_else_reads_is_written_over(blocks, groups):
    network = frozen(nn.Sequential(*(Bottleneck(32, 8) for _ in range(blocks))))
    for block in network:
        block.conv3 = frozen(nn.Conv2d(8, 32, 1, groups=groups, bias=False))
    given = features(2, 32, 9, 11).contiguous(memory_format=torch.channels_last)
    before, folded = given.clone(), fold(network)
    with torch.inference_mode():
        first = folded(given)
        kept = first.clone()
        torch.testing.assert_close(first, network(before), rtol=1e-5, atol=1e-5 * first.abs().max().item())
        folded(features(2, 32, 9, 11) + 1)
    assert torch.equal(given, before)
    assert torch.equal(first, kept)


def test_the_taps_of_a_pyramid_are_all_their_own():
    trunk = frozen(ResidualPyramid(8, (2, 8, 8, 8), (2, 2, 1, 1)))  # the first stage has no projection
    given = features(2, 3, 64, 96)
    with torch.inference_mode():
        for found, expected in zip(fold(trunk)(given), trunk(given), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item())


def test_a_single_score_an_image_is_that_images_own():
    alone = frozen(nn.Conv2d(32, 1, 7))
    given = features(4, 32, 7, 7).contiguous(memory_format=torch.channels_last)
    for score in (alone, nn.Sequential(alone), nn.Sequential(alone, frozen(nn.BatchNorm2d(1)), nn.ReLU())):
        torch.testing.assert_close(fold(score)(given), score(given))


def test_folding_leaves_the_network_as_it_was_released():
    network = frozen(nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fold(network)(features(1, 3, 8, 8))
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [3, 8])
def test_a_gradient_is_taken_with_the_weights_of_its_output(channels, stride):
    network = frozen(nn.Sequential(nn.Conv2d(channels, 8, 3, stride, 1)))
    folded, given = fold(network), features(2, channels, 8, 8)
    with torch.no_grad():
        folded(given)
    network[0].weight.data.mul_(2)  # which nothing tells
    taking = given.clone().requires_grad_()
    output = folded(taking)
    network[0].weight.data.mul_(2)
    (gradient,) = torch.autograd.grad(output.square().sum(), taking)
    direction = features(2, channels, 8, 8).flip(0)
    with torch.no_grad():
        slope = (folded(given + direction) - folded(given - direction)).mul(output).sum()
    torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-4, atol=1e-3)


def test_autocast_is_followed():
    network = frozen(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()))
    given = features(1, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = fold(network)(given)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), network(given), rtol=0.02, atol=0.02)


def test_the_inception_block_follows_bfloat16():
    block, given = frozen(InceptionConv(24, 16)), features(2, 24, 7, 9)
    expected = block(given)
    found = fold(block.bfloat16())(given.bfloat16())
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05 * expected.abs().max().item())


def test_a_network_folded_in_inference_mode_can_be_part_of_a_graph_later():
    network = frozen(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()))
    with torch.inference_mode():
        folded = fold(network)
        folded(features(1, 3, 8, 8))
    given = features(1, 3, 8, 8).requires_grad_()
    folded(given).sum().backward()
    assert given.grad.abs().sum() > 0
