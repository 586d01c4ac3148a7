"""The paired test: scipy's on the same swaps, its level and power, whole contents, too few images, Holm."""

import numpy as np
import pytest
from scipy import stats

import ir_quality_plugin as irq
from ir_quality_plugin.metrics.correlation import srcc, within_contents
from ir_quality_plugin.metrics.multiplicity import holm, ranks_of
from ir_quality_plugin.metrics.swapping import swap_test, verdict


def made(count, seed=0, gap=0.0):
    """Two metrics that share some of their error; the second has more of its own."""
    draw = np.random.default_rng(seed)
    mos, shared, one, other = draw.normal(size=(4, count))
    scores = {"one": mos + 0.5 * shared + 0.5 * one, "other": mos + 0.5 * shared + (0.5 + gap) * other}
    return scores, mos, [f"content{index}" for index in range(count)]


def scipys(scores, mos, resamples=np.inf):
    """scipy's permutation test on the same ranks."""
    people = stats.rankdata(mos)

    def apart(first, second, axis=-1):
        sides = (
            np.apply_along_axis(lambda ranks: stats.pearsonr(ranks, people)[0], axis, of) for of in (first, second)
        )
        return np.subtract(*sides)

    ranks = tuple(stats.rankdata(values) for values in scores.values())
    return stats.permutation_test(
        ranks, apart, permutation_type="samples", vectorized=True, n_resamples=resamples, rng=0
    ).pvalue


@pytest.mark.parametrize("seed", range(3))
def test_few_images_have_scipys_exact_p(seed):
    scores, mos, contents = made(9, seed, gap=1.0)
    (pair,) = swap_test(scores, mos, contents)
    assert pair.p == pytest.approx(scipys(scores, mos))
    assert pair.difference == pytest.approx(srcc(scores["one"], mos) - srcc(scores["other"], mos))


def test_many_images_have_scipys_p_up_to_the_draw():
    scores, mos, contents = made(40, gap=0.5)
    scores["one"], mos = np.round(scores["one"], 1), np.round(mos)  # ties
    (pair,) = swap_test(scores, mos, contents)
    assert pair.p == pytest.approx(scipys(scores, mos, 2000), abs=0.03)


@pytest.mark.parametrize("count", [10, 20, 50])
def test_chance_is_called_a_difference_no_more_often_than_it_says(count):
    wrong = sum(swap_test(*made(count, seed))[0].better is not None for seed in range(200))
    assert stats.binomtest(wrong, 200, 0.05, "greater").pvalue > 0.001


def test_a_large_difference_is_seen_on_fifty_images_and_mostly_missed_on_ten():
    seen = {
        count: np.mean([swap_test(*made(count, seed, 1.5))[0].better == "one" for seed in range(40)])
        for count in (10, 50)
    }
    assert seen[50] > 0.85 and seen[10] < 0.6


def test_contents_are_swapped_whole():
    # One metric errs by content alone: two hundred images of eight contents are eight witnesses.
    draw = np.random.default_rng(5)
    contents = np.repeat(np.arange(8), 25)
    mos = draw.normal(size=200)
    scores = {"one": mos + 1.5 * draw.normal(size=8)[contents], "other": mos + 1.0 * draw.normal(size=8)[contents]}
    names = [str(content) for content in contents]
    image, content = (swap_test(scores, mos, names, unit)[0].p for unit in ("image", "content"))
    assert image < 0.05 < content


@pytest.mark.parametrize("contents", [["a"] * 40, list("abcd") * 10])
def test_few_contents_show_nothing_however_many_images_they_have(contents):
    mos = np.arange(40.0)
    scores = {"good": mos, "bad": np.random.default_rng(0).normal(size=40)}
    (pair,) = swap_test(scores, mos, contents, "content")
    assert pair.p >= 0.5 ** (len(set(contents)) - 1) and pair.better is None


def within(contents, images, seed, gap=0.0):
    """Contents that differ more than their images: over all images, the metrics' errors by content decide."""
    draw = np.random.default_rng(seed)
    names = np.repeat(np.arange(contents), images)
    mos, one, other = draw.normal(size=(3, len(names)))
    shifts = 3 * draw.normal(size=(2, contents))
    scores = {"one": mos + 0.7 * one + shifts[0][names], "other": mos + (0.7 + gap) * other + shifts[1][names]}
    return scores, mos, [str(name) for name in names]


@pytest.mark.parametrize("unit", ["image", "content"])
def test_the_difference_within_is_that_of_the_means_within_contents(unit):
    scores, mos, contents = within(5, 6, 0)
    mos[6:12] = 0  # people judge these all alike,
    contents[-5:] = list("abcde")  # one image is no content, nor are these
    scores["one"][:6] = 0  # the metric orders nothing here, which is 0
    (pair,) = swap_test(scores, mos, contents, unit, within=True)
    one, other = (within_contents(values, mos, contents).mean() for values in scores.values())
    assert pair.difference == pytest.approx(one - other)


def test_whole_contents_swapped_within_are_the_signs_of_their_differences():
    scores, mos, contents = within(7, 5, 3, gap=1.0)
    gaps = np.subtract(*(within_contents(values, mos, contents) for values in scores.values()))
    signs = 1 - 2 * (np.arange(2**7)[:, None] >> np.arange(7) & 1)
    share = np.mean(np.abs((signs * gaps).mean(axis=1)) >= abs(gaps.mean()) - 1e-9)
    assert swap_test(scores, mos, contents, "content", within=True)[0].p == pytest.approx(share)


def test_chance_within_contents_is_called_a_difference_no_more_often_than_it_says():
    wrong = sum(swap_test(*within(6, 5, seed), within=True)[0].better is not None for seed in range(200))
    assert stats.binomtest(wrong, 200, 0.05, "greater").pvalue > 0.001


def test_what_shifts_whole_contents_hides_a_difference_over_all_that_is_seen_within():
    made = [within(8, 8, seed, gap=2.0) for seed in range(20)]
    seen = {kind: sum(swap_test(*of, within=kind)[0].better == "one" for of in made) for kind in (False, True)}
    assert seen[True] > 15 > 5 > seen[False]


def test_images_that_are_no_content_have_no_test_within():
    scores, mos, contents = made(20)
    (pair,) = swap_test(scores, mos, contents, within=True)
    assert np.isnan([pair.difference, pair.p, pair.p_adjusted]).all() and pair.better is None


def test_too_few_is_said_with_what_it_takes():
    assert "5 images are too few to tell two metrics apart" in verdict(5, 1)["too_few"]
    assert verdict(6, 1)["too_few"] is None
    said = verdict(8, 10)
    assert "any of the 10 pairs" in said["too_few"] and said["units_needed"] == 9
    assert verdict(9, 10)["too_few"] is None
    assert verdict(1, 1, "content")["too_few"].startswith("1 content is too few") and verdict(1, 1)["least_p"] == 1
    assert verdict(3, 0)["too_few"] is None


def test_what_too_few_says_is_what_the_test_does():
    for bad in ([2, 1, 4, 5, 3], [6, 5, 4, 3, 2, 1]):
        mos = np.arange(float(len(bad)))
        (pair,) = swap_test({"good": mos, "bad": np.array(bad)}, mos, ["a"] * len(bad))
        assert pair.p == 0.5 ** (len(bad) - 1) == verdict(len(bad), 1)["least_p"]
        assert (pair.better == "good") == (len(bad) == 6)


def test_holm_by_hand():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.5, np.nan, 0.9])), [1, np.nan, 1])


def test_every_pair_is_corrected_for_all():
    scores, mos, contents = made(60, gap=2.0)
    alone = swap_test(scores, mos, contents)[0]
    draw = np.random.default_rng(5)
    among = swap_test(scores | {f"noise{i}": draw.normal(size=60) for i in range(3)}, mos, contents)
    assert len(among) == 10 and alone.p_adjusted == alone.p
    assert all(pair.p <= pair.p_adjusted for pair in among)
    assert sorted(holm(np.array([pair.p for pair in among]))) == sorted(pair.p_adjusted for pair in among)


def test_metrics_that_chance_may_part_share_a_rank():
    scores, mos, contents = made(120, seed=1)
    scores["bad"] = np.random.default_rng(2).normal(size=120)
    assert ranks_of(list(scores), swap_test(scores, mos, contents)) == {"one": 1, "other": 1, "bad": 3}


def test_a_constant_metric_is_compared_with_nothing():
    (pair,) = swap_test({"constant": np.ones(20), "good": np.arange(20.0)}, np.arange(20.0), ["a"] * 20)
    assert np.isnan(pair.difference) and np.isnan(pair.p) and np.isnan(pair.p_adjusted) and pair.better is None


def test_two_equal_metrics_do_not_differ():
    scores, mos, contents = made(30)
    (pair,) = swap_test({"one": scores["one"], "copy": 2 * scores["one"]}, mos, contents)
    assert pair.difference == 0 and pair.p == 1


def test_many_swaps_are_made_in_parts_with_the_same_result(monkeypatch):
    scores, mos, contents = made(12, gap=1.0)
    whole = swap_test(scores, mos, contents)
    monkeypatch.setattr("ir_quality_plugin.metrics.swapping.CELLS", 700)
    assert swap_test(scores, mos, contents) == whole


def test_other_units_and_shapes_are_refused():
    with pytest.raises(irq.UsageError, match="unit='scene'; expected 'image' or 'content'"):
        swap_test({"a": np.ones(3)}, np.ones(3), ["a"] * 3, "scene")
    with pytest.raises(irq.UsageError, match="expected every metric's scores"):
        swap_test({"a": np.ones(3)}, np.ones(4), ["a"] * 4)
