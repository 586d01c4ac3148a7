"""Agreement with forced choices, by hand."""

import numpy as np
import pytest

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


def test_no_pair_is_refused():
    with pytest.raises(irq.UsageError, match="at least one pair"):
        vote_agreement(np.ones(0), np.ones(0), np.ones(0))
