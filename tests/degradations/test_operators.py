"""Every operator spoils a real photograph, more at each level, within [0,1], alike alone and in a batch."""

from pathlib import Path

import pytest
import torch

import ir_quality_plugin as irq
from ir_quality_plugin.data.images import list_images, read_image
from ir_quality_plugin.degradations import OPERATORS, Degrader, Step, degrade, kernels

PHOTOGRAPHS = Path(__file__).parents[2] / "recipes" / "smoke" / "photographs"


@pytest.fixture(scope="module")
def photographs():
    return torch.stack([read_image(path) for path in list_images(PHOTOGRAPHS / "train" / "gt")])


def spoil(images, name, level, seed=0):
    return degrade(images, [[Step(name, OPERATORS[name].strength(level), seed + i)] for i in range(len(images))])


def error(spoiled, images):
    return (spoiled - images).square().mean().item()


@pytest.mark.parametrize("name", OPERATORS)
def test_each_level_spoils_more_and_stays_in_range(name, photographs):
    errors = []
    for level in range(1, 6):
        spoiled = spoil(photographs, name, level)
        assert spoiled.shape == photographs.shape
        assert spoiled.dtype == photographs.dtype
        assert spoiled.min() >= 0 and spoiled.max() <= 1
        errors.append(error(spoiled, photographs))
    assert errors == sorted(errors)
    assert errors[-1] > 3 * errors[0] > 0


@pytest.mark.parametrize("name", OPERATORS)
def test_a_seed_replays_and_a_batch_changes_nothing(name, photographs):
    batch = spoil(photographs, name, 3)
    assert torch.equal(batch, spoil(photographs, name, 3))
    alone = degrade(photographs[5:6], [[Step(name, OPERATORS[name].strength(3), 5)]])
    # The width of kernels and the order of sums may differ in a batch of other strengths, not what is drawn.
    torch.testing.assert_close(batch[5:6], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("size", [(1, 1), (5, 40), (33, 18)])
def test_any_size_works(name, size):
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    spoiled = spoil(image, name, 5)
    assert spoiled.shape == image.shape
    assert spoiled.isfinite().all()


@pytest.mark.parametrize("name", ["gaussian_noise", "grey_noise", "correlated_noise", "poisson_noise"])
@pytest.mark.parametrize("sigma_255", [5.0, 15.0])
def test_noise_has_the_strength_that_its_unit_says(name, sigma_255):
    grey = torch.full((1, 3, 200, 200), 0.5)
    spoiled = degrade(grey, [[Step(name, sigma_255, 1)]])
    assert (spoiled - grey).std() * 255 == pytest.approx(sigma_255, rel=0.05)
    channels = (spoiled - grey)[0].flatten(1)
    assert (torch.corrcoef(channels)[0, 1] > 0.99) == (name == "grey_noise")


def test_impulse_noise_hits_the_share_of_pixels_that_it_says():
    spoiled = degrade(torch.full((1, 3, 200, 200), 0.5), [[Step("impulse_noise", 0.1, 1)]])
    assert (spoiled == 0).float().mean() == pytest.approx(0.05, rel=0.1)
    assert (spoiled == 1).float().mean() == pytest.approx(0.05, rel=0.1)


def test_gaussian_blur_has_its_sigma():
    point = torch.zeros(1, 3, 61, 61)
    point[..., 30, 30] = 1
    spread = degrade(point, [[Step("gaussian_blur", 3.0, 0)]])[0, 0]
    offsets = torch.arange(61) - 30.0
    assert (spread.sum(0) * offsets.square()).sum().sqrt() == pytest.approx(3.0, rel=0.02)


def test_kernels_sum_to_one_and_strokes_have_their_length():
    values = torch.tensor([1.0, 4.0])
    for made in (kernels.gaussian(values), kernels.disk(values), kernels.low_pass(values / 3)):
        torch.testing.assert_close(made.sum((1, 2)), torch.ones(2))
    stroke = kernels.motion(torch.tensor([9.0]), torch.tensor([0.0]))[0]
    assert int((stroke.sum(0) > 0.01).sum()) == 9
    assert int((stroke.sum(1) > 0.01).sum()) == 1


def test_jpeg_has_the_blocks_of_its_quality(photographs):
    coarse, fine = spoil(photographs, "jpeg", 5), spoil(photographs, "jpeg", 1)

    def seams(images):
        steps = (images[..., 1:] - images[..., :-1]).abs().mean((0, 1, 2))
        return steps[7::8].mean() / steps.mean()

    assert seams(coarse) > 1.3 > seams(fine) > 0.9


def test_a_lost_block_is_filled_from_its_own_side_of_the_image():
    ramp = torch.linspace(0, 1, 96).expand(1, 3, 96, 96)  # dark left, bright right
    spoiled = spoil(ramp, "block_loss", 5)
    assert not torch.equal(spoiled, ramp)
    assert (ramp - spoiled).min() >= 0  # never from the other edge, which is brighter
    assert (ramp - spoiled).max() < 0.2


def test_a_chain_of_resizings_loses_more_than_one_pair(photographs):
    pairs, chains = (
        torch.stack([spoil(photographs, name, 3, seed) for seed in range(0, 40, 10)])
        for name in ("resize", "resize_chain")
    )
    assert error(chains, photographs) > error(pairs, photographs)


@pytest.mark.parametrize("passes", [1, 2])
def test_mixed_pipelines_are_drawn_from_the_seed_and_replay_from_their_steps(passes, photographs):
    degrader = Degrader(steps=(1, 4), levels=(1, 3), passes=passes)
    plans = [degrader.plan(seed) for seed in range(8)]
    assert plans == [degrader.plan(seed) for seed in range(8)]
    assert len({tuple(step.operator for step in plan) for plan in plans}) > 4
    assert all(passes <= len(plan) <= 4 * passes for plan in plans)
    assert all(isinstance(value, (str, float, int)) for plan in plans for step in plan for value in step)
    spoiled = degrade(photographs, plans)
    assert torch.equal(spoiled, degrade(photographs, plans))
    assert (spoiled - photographs).abs().flatten(1).mean(1).min() > 0
    for index in (0, 3):
        alone = degrade(photographs[index : index + 1], [plans[index]])
        torch.testing.assert_close(spoiled[index : index + 1], alone, rtol=0, atol=1e-4)


def test_an_empty_plan_leaves_an_image_alone(photographs):
    assert torch.equal(degrade(photographs[:2], [[], []]), photographs[:2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"operators": ["gausian_blur"]}, "there is no 'gausian_blur'; did you mean 'gaussian_blur'"),
        ({"steps": (3, 1)}, r"steps=\(3, 1\); expected low <= high"),
        ({"levels": (0, 5)}, r"levels=\(0, 5\); expected low <= high between 1 and 5"),
        ({"passes": 0}, "passes=0; expected at least 1"),
    ],
)
def test_impossible_pipelines_are_refused(options, message):
    with pytest.raises(irq.UsageError, match=message):
        Degrader(**options)


def test_wrong_calls_are_named(photographs):
    with pytest.raises(irq.UsageError, match="1 plans for 8 images; expected one each"):
        degrade(photographs, [[]])
    with pytest.raises(irq.UsageError, match="there is no operator 'fog'"):
        degrade(photographs[:1], [[Step("fog", 1.0, 0)]])
    with pytest.raises(irq.ImageError, match="expected floating point"):
        degrade(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), [[]])
