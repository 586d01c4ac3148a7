"""Intervals of correlations, and of the differences of two."""

import numpy as np
import pytest

import ir_quality_plugin as irq
from ir_quality_plugin.metrics.correlation import agreement, krcc, srcc
from ir_quality_plugin.metrics.resampling import resampled


def metrics(count=120, seed=0):
    draw = np.random.default_rng(seed)
    mos = draw.normal(size=count)
    good = mos + 0.3 * draw.normal(size=count)
    scores = {"good": good, "alike": good + 0.02 * draw.normal(size=count), "bad": mos + 3 * draw.normal(size=count)}
    return scores, mos, [f"content{index % 12}" for index in range(count)]


def test_the_interval_of_srcc_is_near_fishers():
    scores, mos, contents = metrics(400)
    low, high = resampled({"good": scores["good"]}, mos, contents, resamples=1000).intervals["good"]["srcc"]
    value = srcc(scores["good"], mos)
    # Fisher's transformation, with the variance of Bonett and Wright for ranks.
    half = 1.96 * np.sqrt((1 + value**2 / 2) / (400 - 3))
    assert low == pytest.approx(np.tanh(np.arctanh(value) - half), abs=0.01)
    assert high == pytest.approx(np.tanh(np.arctanh(value) + half), abs=0.01)


def test_every_interval_holds_its_value():
    scores, mos, contents = metrics()
    intervals = resampled(scores, mos, contents, resamples=300).intervals
    for name, values in scores.items():
        low, high = intervals[name]["srcc"]
        assert low < srcc(values, mos) < high
        low, high = intervals[name]["krcc"]
        assert low < krcc(values, mos) < high
        low, high = intervals[name]["srcc_within"]
        assert low < high


def test_a_difference_is_drawn_on_the_same_images():
    scores, mos, contents = metrics()
    differences = resampled(scores, mos, contents, resamples=500).differences
    assert differences["good", "bad"][0] > 0
    # The two share their noise, so that their difference is far surer than either interval.
    low, high = differences["good", "alike"]
    assert low < 0 < high and high - low < 0.02


def test_the_interval_of_rmse_holds_its_value():
    scores, mos, contents = metrics()
    low, high = resampled(scores, mos, contents, resamples=300).intervals["bad"]["rmse"]
    assert low < agreement(scores["bad"], mos).rmse < high


@pytest.mark.parametrize(("unit", "contents"), [("content", ["a"] * 20), ("content", list("abcde") * 4)])
def test_too_few_contents_have_no_interval(unit, contents):
    mos = np.arange(20.0)
    scores = {"one": mos + np.tile([0.0, 3, -3, 1], 5), "other": mos[::-1] + 0.0}
    found = resampled(scores, mos, contents, unit, resamples=100)
    assert all(np.isnan(ends).all() for of in found.intervals.values() for ends in of.values())
    assert np.isnan(found.differences["one", "other"]).all()


def test_five_images_have_no_interval():
    found = resampled({"one": np.arange(5.0)}, np.arange(5.0), list("abcde"), resamples=100)
    assert np.isnan(found.intervals["one"]["srcc"]).all()


def test_whole_contents_are_drawn_where_asked():
    # Within a content all images are alike: ten images of a content are no ten witnesses.
    draw = np.random.default_rng(0)
    contents = np.repeat(np.arange(8), 20)
    mos, shift = draw.normal(size=8)[contents], draw.normal(size=8)[contents]
    scores = {"metric": mos + shift + 0.01 * draw.normal(size=160)}
    names = [str(content) for content in contents]
    image = resampled(scores, mos, names, "image", resamples=200).intervals["metric"]["srcc"]
    content = resampled(scores, mos, names, "content", resamples=200).intervals["metric"]["srcc"]
    assert content[1] - content[0] > 1.5 * (image[1] - image[0])
    with pytest.raises(irq.UsageError, match="unit='scene'; expected 'image' or 'content'"):
        resampled(scores, mos, names, "scene")


def test_what_is_not_defined_is_no_number():
    mos = np.arange(20.0)
    found = resampled({"constant": np.ones(20), "good": mos}, mos, ["a"] * 20, resamples=100)
    assert np.isnan(found.intervals["constant"]["srcc"]).all()
    assert np.isnan(found.intervals["good"]["srcc_within"]).all()  # one content
    assert np.isnan(found.differences["constant", "good"]).all()


@pytest.mark.parametrize("changed", [{"seed": 1}, {"resamples": 101}])
def test_the_seed_and_the_number_of_resamples_reach_every_interval(changed):
    scores, mos, contents = metrics()
    first, second = (resampled(scores, mos, contents, **{"resamples": 100, **own}) for own in ({}, changed))
    for name in scores:
        assert all(first.intervals[name][kind] != ends for kind, ends in second.intervals[name].items())
    assert all(first.differences[pair] != ends for pair, ends in second.differences.items())


def test_it_is_reproducible():
    scores, mos, contents = metrics()
    first, second = (resampled(scores, mos, contents, resamples=100, seed=3) for _ in range(2))
    assert first == second
    assert first != resampled(scores, mos, contents, resamples=100, seed=4)


def test_shapes_that_differ_are_refused():
    with pytest.raises(irq.UsageError, match="expected every metric's scores"):
        resampled({"a": np.ones(3)}, np.ones(4), ["a"] * 4)
