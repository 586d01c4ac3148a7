"""Intervals of means cover what they should."""

import numpy as np

from ir_quality_plugin.metrics.intervals import mean_interval


def test_the_interval_of_a_normal_sample_is_the_textbooks():
    values = np.random.default_rng(0).normal(0.3, 2.0, 400)
    low, high = mean_interval(values)
    half = 1.96 * values.std(ddof=1) / 20
    assert abs(low - (values.mean() - half)) < 0.15 * half  # the resampling's own noise
    assert abs(high - (values.mean() + half)) < 0.15 * half


def test_it_is_reproducible_and_widens_with_confidence():
    values = np.random.default_rng(1).normal(size=30)
    assert mean_interval(values) == mean_interval(values)
    (low, high), (lower, higher) = mean_interval(values, 0.9), mean_interval(values, 0.99)
    assert lower < low < values.mean() < high < higher


def test_a_single_value_has_no_width():
    assert mean_interval(np.array([0.7])) == (0.7, 0.7)


def test_it_covers_what_it_says_for_five_images():
    draw = np.random.default_rng(2)
    held = [low <= 0 <= high for low, high in (mean_interval(draw.normal(size=5), seed=run) for run in range(400))]
    assert np.mean(held) > 0.92  # about 0.86 of the plain percentile bootstrap
