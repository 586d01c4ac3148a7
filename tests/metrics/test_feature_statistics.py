"""The feature-statistics distance: values by hand, and what it must order rightly."""

from pathlib import Path

import pytest
import torch

import ir_quality_plugin as irq
from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.degradations import OPERATORS, Step, degrade
from ir_quality_plugin.metrics.feature_statistics import stages_of, statistics_distance
from ir_quality_plugin.models import RestorationTeacher

PHOTOGRAPH = Path(__file__).parents[2] / "recipes" / "smoke" / "photographs" / "val" / "gt" / "coffee_0.png"


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return RestorationTeacher(16, (8, 8, 16, 16), (1, 1, 1, 1), 2).eval().requires_grad_(False).encoder


@pytest.fixture(scope="module")
def photograph():
    return read_image(PHOTOGRAPH)[None]


def test_the_value_is_the_formula_by_hand():
    # Means 1 and 2, variances 1 and 4, covariance 2: means 4/5, contrast 4/5, structure 4/5.
    restored, reference = torch.tensor([0.0, 2, 0, 2]).view(1, 1, 2, 2), torch.tensor([0.0, 4, 0, 4]).view(1, 1, 2, 2)
    assert statistics_distance([restored], [reference]).item() == pytest.approx(0.2, abs=1e-6)
    # Turned over, the covariance is -2 and structure -4/5.
    assert statistics_distance([restored.flip(3)], [reference]).item() == pytest.approx(0.52, abs=1e-6)


def test_stages_count_alike_whatever_their_size_and_width():
    one = torch.rand(1, 1, 2, 2), torch.rand(1, 1, 2, 2)
    two = torch.rand(1, 8, 16, 16), torch.rand(1, 8, 16, 16)
    apart = [statistics_distance([first], [second]) for first, second in (one, two)]
    together = statistics_distance([one[0], two[0]], [one[1], two[1]])
    assert together.item() == pytest.approx(torch.stack(apart).mean().item(), abs=1e-6)


def test_it_is_zero_for_equal_images_and_symmetric(encoder, photograph):
    clean, other = stages_of(photograph, encoder), stages_of(photograph.flip(3) * 0.8, encoder)
    assert statistics_distance(clean, clean).item() == pytest.approx(0, abs=1e-6)
    assert statistics_distance(clean, other).item() == pytest.approx(statistics_distance(other, clean).item(), abs=1e-6)
    assert statistics_distance(clean, other).item() > 0.01


@pytest.mark.parametrize("operator", ["gaussian_noise", "gaussian_blur", "jpeg", "colour_shift"])
def test_it_grows_with_every_level_of_a_degradation(encoder, photograph, operator):
    plans = [[Step(operator, strength, 1)] for strength in OPERATORS[operator].levels]
    spoiled = degrade(photograph.expand(5, -1, -1, -1), plans)
    distances = statistics_distance(stages_of(spoiled, encoder), stages_of(photograph.expand(5, -1, -1, -1), encoder))
    assert distances.diff().min() > 0


def test_texture_in_another_place_costs_less_than_texture_that_is_lost():
    torch.manual_seed(0)
    texture = torch.rand(1, 1, 64, 64)
    flat = torch.full_like(texture, texture.mean().item())
    moved, lost = (statistics_distance([image], [texture]).item() for image in (texture.roll(7, 3), flat))
    squared = [(image - texture).square().mean().item() for image in (texture.roll(7, 3), flat)]
    assert squared[0] > 1.8 * squared[1]  # a pixel error prefers the flat one by far
    assert moved < 0.6 * lost


def test_texture_must_be_where_it_belongs():
    torch.manual_seed(0)
    texture = torch.rand(1, 1, 64, 64)
    half = torch.where(torch.arange(64) < 32, texture, texture.mean())  # on the left
    alike, elsewhere = (statistics_distance([image], [half]).item() for image in (half.roll(7, 2), half.flip(3)))
    assert alike < 0.5 * elsewhere


def test_gradients_are_right_and_finite():
    torch.manual_seed(0)
    restored, reference = (torch.rand(2, 2, 4, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda x, y: statistics_distance([x], [y]), (restored, reference))


@pytest.mark.parametrize(
    "stages", [([], []), ([torch.ones(1, 3, 4, 4)], [torch.ones(1, 3, 4, 5)]), ([torch.ones(3, 4)], [torch.ones(3, 4)])]
)
def test_stages_that_do_not_match_are_refused(stages):
    with pytest.raises(irq.ImageError, match="expected the same"):
        statistics_distance(*stages)
