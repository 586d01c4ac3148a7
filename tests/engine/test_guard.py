"""The guard fires on a score that is gamed, and stays silent on honest progress and on noise."""

import re

import numpy as np
import pytest

from ir_quality_plugin.engine.guard import Guard
from ir_quality_plugin.engine.options import GuardOptions
from ir_quality_plugin.engine.validation import Validation

HIGHER = {"ckdn": True, "ssim": True, "gmsd": False}


def guard(*metrics, **options):
    return Guard(GuardOptions(optimised="ckdn", metrics=list(metrics), **options), HIGHER)


def validation(iteration, images=24, **means):
    """Scores that differ between images far more than between validations, as real ones do."""
    level = np.random.default_rng(0).normal(0, 0.1, images)
    noise = np.random.default_rng(iteration).normal(0, 0.004, (len(means), images))
    scores = {
        name: {f"{index}": float(mean + level[index] + noise[row, index]) for index in range(images)}
        for row, (name, mean) in enumerate(means.items())
    }
    return Validation("val", iteration, scores)


def test_it_fires_when_the_optimised_score_rises_and_every_watched_one_falls():
    watch = guard("ssim", "gmsd")
    assert watch.watch(validation(1, ckdn=0.5, ssim=0.80, gmsd=0.10)) is None
    assert watch.watch(validation(2, ckdn=0.6, ssim=0.85, gmsd=0.08)) is None
    message = watch.watch(validation(3, ckdn=0.8, ssim=0.82, gmsd=0.09))
    assert message.startswith("the guard at iteration 3: since iteration 2 the optimised score is better and every")
    gains = {name: float(value) for name, value in re.findall(r"(\w+) ([+-][\d.]+) \[", message)}
    assert gains == pytest.approx({"ckdn": 0.2, "ssim": -0.03, "gmsd": -0.01}, abs=0.005)
    assert watch.best_iteration() == 2


@pytest.mark.parametrize(
    "then",
    [
        {"ckdn": 0.7, "ssim": 0.85, "gmsd": 0.08},  # all better
        {"ckdn": 0.7, "ssim": 0.75, "gmsd": 0.08},  # the watched ones disagree
        {"ckdn": 0.4, "ssim": 0.75, "gmsd": 0.12},  # all worse: no gaming
        {"ckdn": 0.7, "ssim": 0.7999, "gmsd": 0.1001},  # within noise
    ],
)
def test_it_stays_silent_otherwise(then):
    watch = guard("ssim", "gmsd")
    watch.watch(validation(1, ckdn=0.5, ssim=0.80, gmsd=0.10))
    assert watch.watch(validation(2, **then)) is None


def test_pairs_by_image_see_what_means_over_images_hide():
    """A fall of 0.01 on every image is certain, although images differ by 0.1."""
    watch = guard("ssim")
    watch.watch(validation(1, ckdn=0.5, ssim=0.80))
    assert watch.watch(validation(2, ckdn=0.6, ssim=0.79)) is not None


def test_a_tie_keeps_the_earlier_validation_as_the_best():
    watch = guard("ssim")
    first = validation(1, ckdn=0.5, ssim=0.8)
    watch.watch(first)
    watch.watch(Validation("val", 2, {**first.scores, "ckdn": validation(2, ckdn=0.7, ssim=0.8).scores["ckdn"]}))
    assert watch.best_iteration() == 1


def test_what_is_not_finite_neither_fires_nor_is_best():
    watch = guard("ssim")
    watch.watch(validation(1, ckdn=0.5, ssim=0.8))
    broken = validation(2, ckdn=0.7, ssim=0.8)
    broken.scores["ssim"] = dict.fromkeys(broken.scores["ssim"], float("nan"))
    assert watch.watch(broken) is None
    assert watch.best_iteration() == 1
    infinite = validation(3, ckdn=0.8, ssim=0.8)
    infinite.scores["ssim"] = dict.fromkeys(infinite.scores["ssim"], float("inf"))
    assert watch.watch(infinite) is None


def test_the_history_survives_a_resume():
    first, second = guard("ssim"), guard("ssim")
    first.watch(validation(1, ckdn=0.5, ssim=0.80))
    second.history = first.history
    assert second.watch(validation(2, ckdn=0.6, ssim=0.79)) == first.watch(validation(2, ckdn=0.6, ssim=0.79))
