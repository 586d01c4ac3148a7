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


def test_whole_contents_are_drawn_where_they_are_given():
    # Within a content all pairs go one way: eighty pairs of eight contents are no eighty witnesses.
    contents = np.repeat([f"content {index}" for index in range(8)], 10)
    first = np.repeat([1.0, 1, 1, 1, 1, 1, -1, -1], 10)
    pairs, drawn = (vote_agreement(first, np.zeros(80), np.full(80, 0.9), contents=of) for of in (None, contents))
    assert pairs.accuracy == drawn.accuracy == 0.75 and pairs.two_afc == drawn.two_afc
    for kind in ("accuracy_interval", "two_afc_interval"):
        assert np.ptp(getattr(drawn, kind)) > 2 * np.ptp(getattr(pairs, kind))


def test_contents_that_all_agree_have_wilsons_interval_of_their_number_and_few_have_none():
    shares, contents = np.full(80, 0.9), np.repeat(np.arange(8), 10)
    one_way = vote_agreement(np.ones(80), np.zeros(80), shares, contents=contents)
    wilson = stats.binomtest(8, 8).proportion_ci(method="wilson")
    assert one_way.accuracy_interval == (wilson.low, wilson.high)
    few = vote_agreement(np.arange(80.0), np.full(80, 40.0), shares, contents=contents % 5)
    assert np.isnan(few.accuracy_interval).all() and np.isnan(few.two_afc_interval).all()
    tied = vote_agreement(np.ones(8), np.zeros(8), np.full(8, 0.5), contents=np.arange(8))
    assert np.isnan(tied.accuracy_interval).all()


def test_few_pairs_have_no_interval_of_no_width():
    found = vote_agreement(np.ones(1), np.zeros(1), np.full(1, 0.9))
    assert np.isnan(found.two_afc_interval).all() and np.ptp(found.accuracy_interval) > 0.5
    none = vote_agreement(np.ones(1), np.zeros(1), np.full(1, 0.5))
    assert np.isnan(none.accuracy) and np.isnan(none.accuracy_interval).all()


def test_no_pair_is_refused():
    with pytest.raises(irq.UsageError, match="at least one pair"):
        vote_agreement(np.ones(0), np.ones(0), np.ones(0))
