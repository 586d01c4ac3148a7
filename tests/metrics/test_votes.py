"""Agreement with forced choices, by hand."""

import numpy as np
import pytest
from scipy import stats

import ir_quality_plugin as irq
from ir_quality_plugin.metrics.votes import vote_agreement


def test_by_hand():
    first, second = np.array([2.0, 1.0, 1.0, 5.0]), np.array([1.0, 2.0, 1.0, 4.0])
    found = vote_agreement(first, second, np.array([0.9, 0.8, 0.7, 0.5]))
    assert found.accuracy == pytest.approx((1 + 0 + 0.5) / 3)  # the fourth pair has no majority
    assert found.two_afc == pytest.approx((0.9 + 0.2 + 0.5 + 0.5) / 4)
    assert found.two_afc_people == pytest.approx((0.9 + 0.8 + 0.7 + 0.5) / 4)
    assert (found.pairs, found.undecided) == (4, 1)


def test_a_perfect_metric_reaches_what_people_do_and_a_reversed_one_the_rest():
    share = np.random.default_rng(0).uniform(size=50)
    best, worst = vote_agreement(share, 1 - share, share), vote_agreement(-share, share - 1, share)
    assert best.accuracy == 1 and best.two_afc == pytest.approx(best.two_afc_people)
    assert worst.accuracy == 0 and worst.two_afc == pytest.approx(1 - best.two_afc_people)
    low, high = best.two_afc_interval
    assert low < best.two_afc < high


def test_the_seed_and_the_number_of_resamples_reach_the_interval():
    share = np.random.default_rng(0).uniform(size=50)
    intervals = {
        vote_agreement(share, 1 - share, share, resamples, seed).two_afc_interval
        for resamples, seed in ((100, 0), (100, 1), (101, 0))
    }
    assert len(intervals) == 3


def test_the_interval_of_the_accuracy_is_wilsons_and_has_a_width_where_all_is_right():
    ones = vote_agreement(np.ones(8), np.zeros(8), np.full(8, 0.9))
    wilson = stats.binomtest(8, 8).proportion_ci(method="wilson")
    assert ones.accuracy == 1 and ones.accuracy_interval == (wilson.low, wilson.high) and wilson.low < 0.7
    tied = vote_agreement(np.array([1.0, 0.0]), np.zeros(2), np.full(2, 0.9))
    assert tied.accuracy == 0.75 and tied.accuracy_interval[1] == 1  # one and a half of two
    assert tied.accuracy_interval[0] == stats.binomtest(1, 2).proportion_ci(method="wilson").low


def test_few_pairs_have_no_interval_of_no_width():
    found = vote_agreement(np.ones(1), np.zeros(1), np.full(1, 0.9))
    assert np.isnan(found.two_afc_interval).all() and np.ptp(found.accuracy_interval) > 0.5
    none = vote_agreement(np.ones(1), np.zeros(1), np.full(1, 0.5))
    assert np.isnan(none.accuracy) and np.isnan(none.accuracy_interval).all()


def test_no_pair_is_refused():
    with pytest.raises(irq.UsageError, match="at least one pair"):
        vote_agreement(np.ones(0), np.ones(0), np.ones(0))
