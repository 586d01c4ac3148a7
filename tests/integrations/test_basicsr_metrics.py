"""Our scorers and pyiqa's metrics as BasicSR calls them: uint8, BGR, HWC, one image at a time."""

import inspect

import numpy as np
import pytest
import torch

import ir_quality_plugin as irq
import ir_quality_plugin.integrations

pytest.importorskip("basicsr")
pytest.importorskip("pyiqa")

import pyiqa
from basicsr.metrics import calculate_metric

from ir_quality_plugin.integrations.basicsr_metrics import DEGRADED, calculate_pyiqa, calculate_quality, metric_of
from ir_quality_plugin.integrations.basicsr_models import QualitySRModel
from ir_quality_plugin.integrations.register import register


def picture(seed, size=48):
    return np.random.RandomState(seed).randint(0, 256, (size, size, 3), dtype=np.uint8)


def tensor(bgr):
    return torch.from_numpy(bgr[..., ::-1].transpose(2, 0, 1).copy())[None].float() / 255


RESTORED, CLEAN, DEGRADED_INPUT = picture(0), picture(1), tensor(picture(2, 12))


@pytest.fixture
def handed_on():
    token = DEGRADED.set(DEGRADED_INPUT)
    yield
    DEGRADED.reset(token)


@pytest.mark.parametrize("name", ["teacheriqa-s", "ckdn-s", "cvrkd-s"])
def test_the_score_is_the_scorers_own_of_the_rgb_image(name, handed_on):
    register()
    scorer = irq.load_scorer(name, weights="random")
    expected = scorer(tensor(RESTORED), degraded=DEGRADED_INPUT, reference=tensor(CLEAN)).item()
    options = {"type": "calculate_quality", "scorer": name, "weights": "random", "better": "higher"}
    assert calculate_metric({"img": RESTORED, "img2": CLEAN}, options) == pytest.approx(expected, abs=1e-6)
    swapped = scorer(tensor(RESTORED).flip(1), degraded=DEGRADED_INPUT, reference=tensor(CLEAN)).item()
    assert abs(swapped - expected) > 1e-5  # red and blue are told apart


def test_a_grey_image_is_scored_as_three_equal_channels():
    grey = RESTORED[..., 0]
    options = {"scorer": "teacheriqa-s", "weights": "random"}
    assert calculate_quality(grey, **options) == calculate_quality(np.repeat(grey[..., None], 3, 2), **options)


def test_a_border_is_left_out():
    options = {"scorer": "teacheriqa-s", "weights": "random"}
    assert calculate_quality(RESTORED, crop_border=4, **options) == calculate_quality(RESTORED[4:-4, 4:-4], **options)
    assert calculate_pyiqa(RESTORED, CLEAN, "gmsd", crop_border=4) == pytest.approx(
        calculate_pyiqa(RESTORED[4:-4, 4:-4], CLEAN[4:-4, 4:-4], "gmsd")
    )


def test_what_is_missing_is_said(handed_on):
    with pytest.raises(irq.UsageError, match="crop_border=4 with ckdn-s; expected 0"):
        calculate_quality(RESTORED, CLEAN, "ckdn-s", weights="random", crop_border=4)
    with pytest.raises(irq.UsageError, match="better='lower' for ckdn-s; expected 'higher'"):
        calculate_quality(RESTORED, CLEAN, "ckdn-s", weights="random", better="lower")
    with pytest.raises(irq.MissingInputError, match="ssim compares with the ground truth; expected dataroot_gt"):
        calculate_pyiqa(RESTORED, None, "ssim")
    DEGRADED.set(None)
    with pytest.raises(irq.MissingInputError, match=r"ckdn-s judges against the degraded input.*QualitySRModel"):
        calculate_quality(RESTORED, CLEAN, "ckdn-s", weights="random")


@pytest.mark.parametrize("name", ["ssim", "gmsd", "psnr"])
def test_a_pyiqa_metric_is_pyiqas_own_and_is_built_once(name):
    built = pyiqa.create_metric(name, device="cpu")
    assert calculate_pyiqa(RESTORED, CLEAN, name) == pytest.approx(built(tensor(RESTORED), tensor(CLEAN)).item())
    assert metric_of(name) is metric_of(name)


def test_our_models_hand_the_degraded_input_to_the_metrics_and_forget_it_afterwards():
    class Visuals:
        lq = DEGRADED_INPUT

        def get_current_visuals(self):
            return {"lq": self.lq}

        def nondist_validation(self):
            self.get_current_visuals()
            self.seen = DEGRADED.get()

    model = type("Model", (*QualitySRModel.__mro__[1:2], Visuals), {"__init__": lambda self: None})()
    model.nondist_validation()
    assert torch.equal(model.seen, DEGRADED_INPUT)
    assert DEGRADED.get() is None


def test_the_options_of_a_metric_are_those_of_load_scorer():
    ours = set(inspect.signature(calculate_quality).parameters) - {"img", "img2", "scorer", "better", "crop_border"}
    assert ours == set(inspect.signature(irq.load_scorer).parameters) - {"name", "device"}
