"""Paired comparisons: the textbook's intervals, signs by direction, ranks that share, agreement by hand."""

import tracemalloc

import numpy as np
import pytest
from scipy import stats
from scipy.stats import ttest_rel

from ir_quality_plugin import UsageError
from ir_quality_plugin.metrics import intervals
from ir_quality_plugin.metrics.paired import (
    agreement_of_metrics,
    bootstrap_means,
    describe_methods,
    duels,
    rank,
)


@pytest.fixture
def draw():
    """A generator of each test's own, so that none depends on which ran before."""
    return np.random.default_rng(0)


def test_the_intervals_are_scipys_up_to_the_resampling(draw):
    values = draw.normal([0.3, 5.0], [1.0, 2.0], (150, 2))
    for column, (low, high) in zip(values.T, bootstrap_means(values, resamples=8000), strict=True):
        slow = stats.bootstrap((column,), np.mean, n_resamples=8000, method="percentile", rng=1).confidence_interval
        width = slow.high - slow.low
        assert low == pytest.approx(slow.low, abs=0.04 * width)
        assert high == pytest.approx(slow.high, abs=0.04 * width)


def test_missing_scores_leave_their_column_alone(draw):
    values = draw.normal(size=(60, 2))
    holed = values.copy()
    holed[40:, 1] = np.nan
    bounds = bootstrap_means(holed)
    assert bounds[0] == pytest.approx(bootstrap_means(values)[0])
    assert bounds[1] == pytest.approx(bootstrap_means(values[:40, 1:])[0])
    assert np.isnan(bootstrap_means(np.full((5, 1), np.nan))).all()


def test_columns_of_as_many_images_are_drawn_once_each_from_its_own(monkeypatch, draw):
    values = draw.normal(size=(60, 6))
    np.fill_diagonal(values, np.nan)
    values[40:, 5] = np.nan
    calls, real = [], intervals._resampled_means
    monkeypatch.setattr(intervals, "_resampled_means", lambda own, *more: calls.append(own.shape) or real(own, *more))
    bounds = bootstrap_means(values)
    assert calls == [(39, 1), (59, 5)]
    alone = [bootstrap_means(column[np.isfinite(column), None])[0] for column in values.T]
    assert bounds == pytest.approx(np.array(alone))


def test_images_that_nobody_has_a_score_of_move_nothing(draw):
    values = draw.normal(size=(12, 2))
    more = np.insert(values, [3, 7, 7], np.nan, axis=0)
    assert bootstrap_means(more) == pytest.approx(bootstrap_means(values))
    found, wider = (duels(scores, "ab", higher_is_better=True)[0] for scores in (values, more))
    assert wider.interval == pytest.approx(found.interval) and wider.p == pytest.approx(found.p)


def test_below_six_images_there_is_neither_an_interval_nor_a_p(draw):
    scores = draw.normal(size=(6, 2))
    for images, known in ((5, False), (6, True)):
        (duel,) = duels(scores[:images], "ab", higher_is_better=True)
        (one, _) = describe_methods(scores[:images])
        assert np.isfinite([*one.interval, *duel.interval, duel.p, duel.p_adjusted]).tolist() == [known] * 6
        assert np.isfinite([one.mean, duel.difference]).all()


def test_the_interval_of_a_small_normal_sample_is_students_and_covers_what_it_says(draw):
    samples = draw.normal(0, 1, (8, 400))
    bounds = bootstrap_means(samples, resamples=4000)
    covered = ((bounds[:, 0] <= 0) & (bounds[:, 1] >= 0)).mean()
    assert 0.91 <= covered <= 0.98
    half = stats.t.ppf(0.975, 7) * samples.std(axis=0, ddof=1) / np.sqrt(8)
    assert np.median(np.ptp(bounds, axis=1) / (2 * half)) == pytest.approx(1, abs=0.08)


def test_five_wins_of_five_are_no_proof_and_six_of_six_are():
    scores = np.stack([np.linspace(1, 2, 6), np.zeros(6)], axis=1)
    assert duels(scores[:5], ["one", "other"], True)[0].better is None
    assert duels(scores, ["one", "other"], True)[0].better == "one"


def test_many_images_are_resampled_in_parts_with_the_same_result(monkeypatch, draw):
    values = draw.normal(size=(50, 3))
    whole = bootstrap_means(values)
    monkeypatch.setattr("ir_quality_plugin.metrics.intervals.CELLS", 700)
    assert bootstrap_means(values) == pytest.approx(whole)


def test_a_pairing_sees_a_small_advantage_that_overlapping_intervals_hide(draw):
    content = draw.normal(0, 10, 80)
    scores = np.stack([content + 0.5, content + draw.normal(0, 0.3, 80)], axis=1)
    (one, other) = describe_methods(scores)
    assert one.interval[0] < other.mean < one.interval[1]
    (duel,) = duels(scores, ["one", "other"], higher_is_better=True)
    assert duel.better == "one"
    assert duel.interval[0] > 0.3
    (duel,) = duels(scores, ["one", "other"], higher_is_better=False)
    assert duel.better == "other"
    assert duel.interval[1] < -0.3


def test_wins_ties_and_shares_are_counted_on_shared_images():
    scores = np.array([[1, 0], [2, 2], [0, 1], [5, 1], [np.nan, 7]], dtype=float)
    (duel,) = duels(scores, ["one", "other"], higher_is_better=True)
    assert (duel.count, duel.won, duel.tied, duel.share_won, duel.difference) == (4, 2, 1, 0.5, 1.0)
    (duel,) = duels(scores[4:], ["one", "other"], higher_is_better=True)
    assert duel.count == 0 and duel.better is None


def test_one_image_makes_nobody_surely_better():
    (duel,) = duels(np.array([[1.0, 0.0]]), ["one", "other"], higher_is_better=True)
    assert duel.better is None
    assert rank(np.array([[1.0, 0.0]]), ["one", "other"], higher_is_better=True) == {}


def test_methods_that_chance_may_part_share_a_rank(draw):
    noise = draw.normal(0, 1, (200, 3))
    scores = noise + np.array([2.0, 2.0, 0.0])
    found = rank(scores, "abc", higher_is_better=True)
    assert found == {"a": 1, "b": 1, "c": 3}
    found = rank(scores, "abc", higher_is_better=False)
    assert found == {"a": 2, "b": 2, "c": 1}


def test_a_shape_that_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="expected"):
        duels(np.zeros((4, 3)), ["one", "other"], True)


def test_metrics_agree_within_images_whatever_the_contents_do(draw):
    contents = draw.normal(0, 100, (50, 1))
    better = draw.normal(0, 1, (50, 3))
    scores = np.stack([contents + better, -contents + better, contents - better])
    overall, within = agreement_of_metrics(scores)
    assert within[0] == pytest.approx([1, 1, -1])
    assert overall[0, 1] < -0.9 and overall[0, 2] > 0.9
    assert overall[0, 1] == pytest.approx(stats.spearmanr(scores[0].ravel(), scores[1].ravel())[0])


def test_half_of_the_pairs_ordered_alike_is_no_agreement():
    scores = np.array([[[1, 2], [1, 2]], [[1, 2], [2, 1]]], dtype=float)
    assert agreement_of_metrics(scores)[1][0, 1] == 0


def test_every_image_counts_once_whatever_methods_it_lacks(monkeypatch):
    one = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, np.nan], [np.nan, np.nan, 1.0]])
    other = np.array([[1.0, 2.0, 3.0], [2.0, 1.0, 5.0], [1.0, 2.0, 3.0]])
    for cells in (10**6, 1):  # all images at once, and one at a time
        monkeypatch.setattr("ir_quality_plugin.metrics.paired.CELLS", cells)
        _, within = agreement_of_metrics(np.stack([one, other]))
        assert within == pytest.approx(np.eye(2))  # 1 of three pairs, -1 of one


def test_agreement_of_many_methods_takes_the_memory_of_some_images(monkeypatch, draw):
    monkeypatch.setattr("ir_quality_plugin.metrics.paired.CELLS", 10_000)
    scores = draw.normal(size=(2, 300, 40))
    tracemalloc.start()
    agreement_of_metrics(scores)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < 10 * scores.nbytes  # 60 times, with all pairs of methods at once


def test_a_metric_without_any_score_agrees_with_nothing_not_even_itself(draw):
    scores = draw.normal(size=(2, 8, 3))
    scores[1] = np.nan
    overall, within = agreement_of_metrics(scores)
    for found in (overall, within):
        assert found[0, 0] == 1 and np.isnan(found[[0, 1, 1], [1, 0, 1]]).all()


def test_a_constant_metric_and_a_single_method_have_no_agreement(draw):
    overall, within = agreement_of_metrics(np.stack([draw.normal(size=(6, 1)), np.ones((6, 1))]))
    assert np.isnan(overall[0, 1]) and np.isnan(within).all()


def test_a_method_of_a_few_images_is_not_ranked_and_ranks_compare_on_what_all_have(draw):
    scores = draw.normal(0, 1, (100, 3)) + np.array([1.0, 0.0, 9.0])
    scores[5:, 2] = np.nan
    assert rank(scores, "abc", higher_is_better=True) == {"a": 1, "b": 2}
    images = draw.normal(0, 5, (100, 1))  # `a` has lost on the images that it alone has
    scores = images + draw.normal(0, 0.1, (100, 2)) + np.array([1.0, 0.0])
    scores[60:, 1] = np.nan
    scores[60:, 0] -= 100
    assert rank(scores, "ab", higher_is_better=True) == {"a": 1, "b": 2}


def test_methods_that_do_not_differ_are_seldom_called_better_however_many_pairs_there_are():
    draw = np.random.default_rng(7)
    runs = [duels(draw.normal(size=(60, 8)), "abcdefgh", higher_is_better=True) for _ in range(60)]
    assert np.mean([any(duel.better for duel in run) for run in runs]) <= 0.1  # over 0.5 by the intervals alone
    assert any(duel.p < 0.05 for run in runs for duel in run)


def test_holms_adjustment_by_hand():
    gains = np.random.default_rng(3).normal(size=(9, 3)) + np.array([0.0, 0.7, 2.0])
    found = sorted(duels(gains, "abc", higher_is_better=True), key=lambda duel: duel.p)
    expected = np.maximum.accumulate([3 * found[0].p, 2 * found[1].p, found[2].p])
    np.testing.assert_allclose([duel.p_adjusted for duel in found], expected)
    assert [duel.p for duel in found] == sorted(
        float(ttest_rel(*gains[:, ["abc".index(duel.first), "abc".index(duel.second)]].T).pvalue) for duel in found
    )
