"""Where patches go: the grid covers whatever it can, inside the image, always alike."""

import random

import pytest
import torch

from ir_quality_plugin import UsageError
from ir_quality_plugin.nn.crops import check_count, covering_count, grid_origins, random_origins, take_patches

SIZES = [(224, 224), (225, 224), (224, 449), (300, 1000), (1000, 300), (448, 448), (449, 449), (2160, 3840), (500, 333)]


def covered(height, width, patch, origins):
    seen = torch.zeros(height, width, dtype=torch.bool)
    for top, left in origins:
        assert 0 <= top <= height - patch and 0 <= left <= width - patch
        seen[top : top + patch, left : left + patch] = True
    return seen


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("more", [0, 1, 2, 3, 7, 10])
def test_the_grid_covers_every_pixel_with_as_many_patches_as_asked(height, width, more):
    count = covering_count(height, width, 224) + more
    origins = grid_origins(height, width, 224, count)
    assert len(origins) == count
    assert covered(height, width, 224, origins).all()


def test_the_grid_covers_random_sizes_too():
    draw = random.Random(0)
    for _ in range(300):
        patch = draw.randint(8, 20)
        height, width = (draw.randint(patch, 6 * patch) for _ in range(2))
        count = covering_count(height, width, patch) + draw.randint(0, 12)
        assert covered(height, width, patch, grid_origins(height, width, patch, count)).all()


@pytest.mark.parametrize("count", [1, 2, 5, 10, 25])
def test_too_few_patches_spread_over_the_image(count):
    origins = grid_origins(1000, 1000, 100, count)
    assert len(set(origins)) == len(origins) == count
    tops, lefts = zip(*origins, strict=True)
    mean = [sum(values) / count for values in (tops, lefts)]
    assert mean == pytest.approx([450, 450], abs=150)


def test_the_published_count_is_a_square_grid_on_a_square_image():
    origins = grid_origins(512, 512, 224, 25)
    assert sorted({top for top, _ in origins}) == [0, 72, 144, 216, 288]


def test_random_crops_are_the_seeds():
    assert random_origins(300, 400, 224, 25, seed=0) == random_origins(300, 400, 224, 25, seed=0)
    assert random_origins(300, 400, 224, 25, seed=0) != random_origins(300, 400, 224, 25, seed=1)
    covered(300, 400, 224, random_origins(300, 400, 224, 200, seed=2))


def test_patches_are_the_pixels_at_their_origins():
    images = torch.arange(2 * 3 * 6 * 7.0).view(2, 3, 6, 7)
    patches = take_patches(images, [(0, 0), (2, 3)], 4)
    assert patches.shape == (2, 2, 3, 4, 4)
    assert torch.equal(patches[:, 1], images[:, :, 2:6, 3:7])


@pytest.mark.parametrize("patches", [0, -1, 1.0, True, "4"])
def test_a_count_that_is_no_count_is_refused(patches):
    with pytest.raises(UsageError, match="positive whole number"):
        check_count(patches)
