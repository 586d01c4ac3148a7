"""Intervals of means cover what they should."""

import numpy as np

from ir_quality_plugin.metrics import intervals
from ir_quality_plugin.metrics.intervals import bootstrap_means, mean_interval


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


def test_many_values_have_the_interval_that_resampling_comes_to(monkeypatch):
    skewed = np.random.default_rng(0).exponential(1.0, (2500, 2)) * [1, 5]
    resampled = bootstrap_means(skewed, resamples=20_000)
    monkeypatch.setattr(intervals, "MANY", 2000)
    np.testing.assert_allclose(bootstrap_means(skewed), resampled, atol=0.1 * 5 / 2500**0.5)
