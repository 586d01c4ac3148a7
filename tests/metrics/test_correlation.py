"""Agreement with opinions: by hand, with its sign, within contents, and after the logistic."""

import math

import numpy as np
import pytest

import ir_quality_plugin as irq
from ir_quality_plugin.metrics.correlation import agreement, krcc, logistic, logistic_fit, plcc, srcc

DRAW = np.random.default_rng(0)


def test_correlations_by_hand():
    scores, mos = [1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0]
    assert srcc(scores, mos) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert krcc(scores, mos) == pytest.approx((5 - 1) / 6)
    assert plcc(scores, mos) == pytest.approx(0.8)


def test_the_sign_is_kept():
    scores = DRAW.normal(size=50)
    for correlation in (srcc, krcc, plcc):
        assert correlation(scores, -scores) == pytest.approx(-1)


def test_the_logistic_is_found_again():
    scores = np.sort(DRAW.uniform(0, 1, 200))
    mos = logistic(scores, 80.0, 20.0, 0.4, 0.1)
    np.testing.assert_allclose(logistic_fit(scores, mos), mos, atol=0.05)
    assert agreement(scores, mos).plcc_logistic == pytest.approx(1, abs=1e-4)
    assert abs(agreement(scores, mos).plcc) < 0.98


def test_scores_that_rank_against_people_get_no_credit_from_the_fit():
    mos = np.linspace(1, 5, 100)
    found = agreement(-mos + DRAW.normal(0, 0.1, 100), mos)
    assert found.srcc < -0.9
    assert np.isnan(found.plcc_logistic)
    assert found.rmse == pytest.approx(mos.std())


def test_a_handful_of_scores_is_mapped_by_a_line_and_not_by_a_step():
    scores, mos = np.arange(8.0), np.array([1.0, 1, 1, 1, 5, 5, 5, 5])
    assert np.ptp(np.diff(logistic_fit(scores, mos))) < 1e-9


def test_without_a_logistic_a_line_takes_its_place():
    np.testing.assert_allclose(logistic_fit([1, 2, 3], [2, 4, 6.0]), [2, 4, 6])
    np.testing.assert_allclose(logistic_fit([1, 1, 1], [2, 4, 6.0]), [4, 4, 4])


def test_within_contents_is_the_mean_of_each_contents_own():
    contents = ["a"] * 4 + ["b"] * 4 + ["c"] * 2
    scores = np.array([1, 2, 3, 4, 14, 13, 12, 11, 20, 21.0])
    mos = np.arange(10.0)
    found = agreement(scores, mos, contents)
    assert found.srcc_within == pytest.approx((1 - 1) / 2)  # two images of "c" rank nothing
    assert found.srcc > 0.8
    assert (found.images, found.contents) == (10, 3)


def test_a_constant_metric_agrees_with_nothing():
    found = agreement(np.ones(10), np.arange(10.0))
    assert math.isnan(found.srcc) and math.isnan(found.plcc) and math.isnan(found.krcc)
    assert found.rmse == pytest.approx(np.arange(10.0).std())


@pytest.mark.parametrize(
    ("scores", "mos", "message"),
    [
        ([1.0, 2.0], [1.0], r"shape \(2,\) and mos \(1,\)"),
        ([1.0], [1.0], "1 scores; expected at least 2"),
        ([1.0, float("nan")], [1.0, 2.0], "hold NaN or Inf"),
    ],
)
def test_what_cannot_be_correlated_is_refused(scores, mos, message):
    with pytest.raises(irq.UsageError, match=message):
        srcc(scores, mos)
