"""Agreement with opinions: by hand, with its sign, within contents, and after the logistic."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

import ir_quality_plugin as irq
from ir_quality_plugin.metrics.correlation import agreement, krcc, logistic, logistic_fit, plcc, srcc, within_contents

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


def test_ties_are_scipys_tau_b_and_average_ranks():
    scores, mos = DRAW.integers(0, 4, 40), DRAW.integers(0, 5, 40)
    assert krcc(scores, mos) == pytest.approx(stats.kendalltau(scores, mos, variant="b").statistic)
    pairs = [(np.sign(scores[i] - scores[j]), np.sign(mos[i] - mos[j])) for i in range(40) for j in range(i)]
    first, second = np.array(pairs).T
    assert krcc(scores, mos) == pytest.approx(first @ second / np.sqrt((first @ first) * (second @ second)))
    ranks = stats.rankdata(scores), stats.rankdata(mos)
    assert srcc(scores, mos) == pytest.approx(stats.pearsonr(*ranks).statistic)


def test_the_logistic_has_the_least_squares_that_a_search_finds():
    scores = DRAW.normal(size=80)
    mos = np.tanh(scores) + DRAW.normal(0, 0.4, 80)
    found = optimize.differential_evolution(
        lambda four: np.mean((logistic(scores, *four) - mos) ** 2), [(-4, 4), (-4, 4), (-3, 3), (0.05, 5)], rng=0
    )
    assert np.mean((logistic_fit(scores, mos) - mos) ** 2) <= found.fun * 1.001
    # A metric's unit does not matter.
    assert agreement(1e-3 * scores + 7, mos).plcc_logistic == pytest.approx(agreement(scores, mos).plcc_logistic)


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


def test_contents_that_people_judge_alike_or_of_two_images_are_left_out_for_every_metric():
    contents = list("aaabbbccd")
    mos = [1, 2, 3, 5, 5, 5, 1, 2, 7.0]
    np.testing.assert_allclose(within_contents([3, 1, 2, 1, 2, 3, 1, 2, 9.0], mos, contents), [-0.5])
    # Scores that are all alike within a content order nothing there; leaving it out would be a reward.
    np.testing.assert_allclose(within_contents([4, 4, 4, 1, 2, 3, 1, 2, 9.0], mos, contents), [0])
    assert np.isnan(agreement(mos, mos).srcc_within)


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
