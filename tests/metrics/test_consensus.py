"""The consensus of metrics: ranks by hand, directions, weights."""

import numpy as np
import pytest

import ir_quality_plugin as irq
from ir_quality_plugin.metrics.consensus import consensus, family_weights, share_beaten


def test_shares_are_mid_ranks_and_follow_the_direction():
    assert share_beaten([0.1, 0.9, 0.5, 0.5], True).tolist() == [0.125, 0.875, 0.5, 0.5]
    assert share_beaten([0.1, 0.9, 0.5, 0.5], False).tolist() == [0.875, 0.125, 0.5, 0.5]
    assert share_beaten([7.0], True).tolist() == [0.5]


def test_no_image_reaches_the_one_of_the_clean_image_and_none_falls_to_zero():
    shares = share_beaten(np.random.RandomState(0).rand(50), True)
    assert 0 < shares.min() < shares.max() < 1
    assert shares.mean() == pytest.approx(0.5)


def test_the_consensus_is_the_weighted_mean_of_the_shares_whatever_the_units():
    scores = {"ssim": [0.1, 0.9], "gmsd": [0.3, 0.2], "psnr": [40.0, 20.0]}
    higher = {"ssim": True, "gmsd": False, "psnr": True}
    found = consensus(scores, higher, {"ssim": 2, "gmsd": 1, "psnr": 1})
    assert found.tolist() == pytest.approx([0.375, 0.625])
    scaled = {name: np.asarray(values) * 1000 for name, values in scores.items()}
    assert consensus(scaled, higher, {"ssim": 4, "gmsd": 2, "psnr": 2}).tolist() == pytest.approx(found.tolist())


def test_a_family_counts_as_much_as_another_however_many_its_members():
    weights = family_weights({"fsim": "pixels", "vsi": "pixels", "gmsd": "pixels", "teacher_statistics": "features"})
    assert weights["teacher_statistics"] == 0.5
    assert weights["fsim"] == weights["gmsd"] == pytest.approx(1 / 6)
    assert family_weights({"ssim": "pixels"}) == {"ssim": 1.0}


@pytest.mark.parametrize(
    ("scores", "weights", "message"),
    [
        ({}, {}, "no metric"),
        ({"ssim": [1.0]}, {"vsi": 1}, "expected a weight and a direction for each"),
        ({"ssim": [1.0]}, {"ssim": 0}, "one above 0"),
        ({"ssim": [1.0]}, {"ssim": -1}, "at least 0"),
        ({"ssim": [float("nan")]}, {"ssim": 1}, "NaN or Inf"),
        ({"ssim": []}, {"ssim": 1}, "at least one"),
    ],
)
def test_what_gives_no_consensus_is_refused(scores, weights, message):
    with pytest.raises(irq.UsageError, match=message):
        consensus(scores, {"ssim": True, "vsi": True}, weights)
