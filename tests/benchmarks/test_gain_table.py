"""The table of gains: what is marked as one, and what proves nothing."""

import pytest

from benchmarks.gain_table import cell, gains, table_of

SURE, NONE, LOSS = ({"gain": 0.2, "low": low, "high": high} for low, high in ((0.1, 0.3), (-0.1, 0.5), (-0.3, -0.1)))


@pytest.mark.parametrize(
    ("loss", "judge", "gain", "text"),
    [
        ("L1 + ckdn-s, plain", "gmsd", SURE, "**+0.2000**"),
        ("L1 + ckdn-s, plain", "gmsd", NONE, "+0.2000"),
        ("L1 + ckdn-s, plain", "psnr", LOSS, "~~+0.20~~"),
        ("L1 + ckdn-s, plain", "teacheriqa-s", SURE, "(+0.2000)"),  # it started from the same network
        ("L1 + teacher features", "cvrkd-s", SURE, "(+0.2000)"),
        ("L1 + pyiqa's ssim", "ms_ssim", SURE, "(+0.2000)"),
        ("L1 + pyiqa's ssim", "ckdn-s", SURE, "**+0.2000**"),
        ("L1 + GAN", "ckdn-s", SURE, "**+0.2000**"),
    ],
)
def test_a_judge_that_is_kin_to_what_was_optimised_proves_nothing(loss, judge, gain, text):
    assert cell(loss, judge, gain) == text


def test_gains_are_paired_photograph_by_photograph():
    easy, hard = 30.0, 20.0  # dB: photographs differ far more than losses do
    scores = {"L1": {"psnr": [easy, hard] * 6}, "L1 + GAN": {"psnr": [easy - 0.1, hard - 0.1] * 6}}
    gained = gains(scores)
    assert gained["L1 + GAN"]["psnr"]["high"] < 0
    assert "| L1 + GAN | ~~-0.10~~ |" in table_of(gained, scores)
