"""The restorers of made triplets: sizes, ranges, repeatability, and what each is there for."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("skimage")

import ir_quality_plugin as irq
from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.data.restorers import RESTORERS, Case, restore
from ir_quality_plugin.data.triplets import PlannedInput, degraded_input
from ir_quality_plugin.degradations import Step

PHOTOGRAPH = Path(__file__).parents[2] / "recipes" / "smoke" / "photographs" / "val" / "gt" / "coffee_0.png"


@pytest.fixture(scope="module")
def cases():
    clean = read_image(PHOTOGRAPH)[:, :64, :64]
    steps = {1: (Step("gaussian_noise", 12.0, 3),), 4: ()}
    found = {}
    for scale, plan in steps.items():
        degraded = degraded_input(clean, PlannedInput(scale, plan, ()))
        found[scale] = Case(degraded.astype(np.float32) / 255, clean.permute(1, 2, 0).numpy(), scale)
    return found


def error(picture, case):
    return float(np.mean((picture - case.clean) ** 2))


def detail(picture):
    return float(np.abs(np.diff(picture, axis=0)).mean() + np.abs(np.diff(picture, axis=1)).mean())


@pytest.mark.parametrize("scale", [1, 4])
@pytest.mark.parametrize("name", RESTORERS)
def test_a_restorer_repeats_itself_and_keeps_size_and_range(cases, name, scale):
    case = cases[scale]
    if not RESTORERS[name].takes(scale):
        with pytest.raises(irq.UsageError, match=f"{name} takes inputs of"):
            restore(name, case, 0)
        return
    first = restore(name, case, 5)
    assert first.shape == case.clean.shape
    assert first.dtype == np.float32
    assert 0 <= first.min() <= first.max() <= 1
    assert np.array_equal(first, restore(name, case, 5))
    assert error(first, case) < 0.1  # still the same picture


@pytest.mark.parametrize("name", ["partial", "displaced_texture", "invented_texture", "chequered_texture", "unsharp"])
def test_strengths_are_drawn(cases, name):
    assert not np.array_equal(restore(name, cases[4], 1), restore(name, cases[4], 2))


def test_a_denoiser_takes_noise_away(cases):
    noisy = error(cases[1].degraded, cases[1])
    for name in ("bilateral", "non_local_means", "total_variation"):
        assert min(error(restore(name, cases[1], seed), cases[1]) for seed in range(4)) < noisy


def test_back_projection_comes_nearer_than_the_interpolation_that_it_starts_from(cases):
    assert error(restore("back_projection", cases[4], 0), cases[4]) < error(restore("bicubic", cases[4], 0), cases[4])


def test_partial_restorations_are_nearer_to_the_clean_picture_and_textures_have_its_detail(cases):
    case = cases[4]
    bicubic = restore("bicubic", case, 0)
    for seed in range(3):
        assert error(restore("partial", case, seed), case) < error(bicubic, case)
        for name in ("displaced_texture", "invented_texture"):
            texture = restore(name, case, seed)
            assert abs(detail(texture) - detail(case.clean)) < abs(detail(bicubic) - detail(case.clean))


def test_a_deconvolution_leaves_no_frame(cases):
    for name in ("wiener", "richardson_lucy"):
        difference = np.abs(restore(name, cases[1], 1) - cases[1].degraded).mean(axis=2)
        edge = np.concatenate([difference[:2].ravel(), difference[-2:].ravel()])
        assert edge.mean() < 2 * difference[8:-8, 8:-8].mean()
