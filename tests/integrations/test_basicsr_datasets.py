"""Clean photographs become training pairs as they are loaded, reproducibly."""

import random
from pathlib import Path

import pytest
import torch

import ir_quality_plugin as irq
import ir_quality_plugin.integrations

pytest.importorskip("basicsr")

from ir_quality_plugin.integrations.basicsr_datasets import DegradedOnTheFlyDataset

CLEAN = Path(__file__).parents[2] / "recipes" / "smoke" / "photographs" / "train" / "gt"
assert ir_quality_plugin.integrations


def dataset(phase="train", **options):
    size = {"gt_size": 64} if phase == "train" else {}
    return DegradedOnTheFlyDataset({"dataroot_gt": str(CLEAN), "scale": 4, "phase": phase, **size, **options})


def test_a_pair_is_a_crop_and_its_reduction():
    random.seed(0)
    sample = dataset()[0]
    assert sample["gt"].shape == (3, 64, 64)
    assert sample["lq"].shape == (3, 16, 16)
    reduced = torch.nn.functional.interpolate(sample["gt"][None], scale_factor=0.25, mode="bicubic", antialias=True)
    torch.testing.assert_close(sample["lq"], reduced[0].clamp(0, 1), rtol=0, atol=0.51 / 255)  # its 8 bits


def test_training_draws_from_the_seed_and_validation_never_changes():
    strong = {"noise_sigma_255": [5, 20], "jpeg_quality": [20, 50], "use_hflip": True, "use_rot": True}
    train, val = dataset(**strong), dataset("val", **strong)
    random.seed(3)
    first = train[1]
    random.seed(3)
    assert torch.equal(first["lq"], train[1]["lq"])
    assert not torch.equal(first["gt"], train[1]["gt"])
    random.seed(4)
    once = val[1]["lq"]
    random.seed(5)
    assert torch.equal(once, val[1]["lq"])


@pytest.mark.parametrize("options", [{"noise_sigma_255": [10, 10]}, {"jpeg_quality": [10, 10]}])
def test_each_degradation_leaves_its_mark(options):
    plain, degraded = dataset("val")[2]["lq"], dataset("val", **options)[2]["lq"]
    assert 2 / 255 < (plain - degraded).std() < 20 / 255


def test_any_pipeline_of_operators_can_be_named():
    mixed = {"degradations": {"steps": [2, 4], "levels": [2, 4]}, "scale": 1}
    val, plain = dataset("val", **mixed), dataset("val", scale=1)
    errors = [(val[index]["lq"] - plain[index]["lq"]).abs().mean().item() for index in range(8)]
    assert min(errors) > 1 / 255
    assert torch.equal(val[3]["lq"], val[3]["lq"])
    random.seed(0)
    first = dataset(**mixed)[3]["lq"]
    assert not torch.equal(first, dataset(**mixed)[3]["lq"])


def test_noise_has_the_strength_that_is_asked_for():
    plain, noisy = dataset("val", scale=1)[3]["lq"], dataset("val", scale=1, noise_sigma_255=[10, 10])[3]["lq"]
    inside = (plain > 0.2) & (plain < 0.8)
    assert (noisy - plain)[inside].std() * 255 == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gt_size": 66}, "gt_size=66; expected a multiple of the scale 4"),
        ({"noise_sigma_255": 5}, r"noise_sigma_255=5; expected a range \[low, high\]"),
        ({"jpeg_quality": [90, 10]}, r"jpeg_quality=\[90, 10\]; expected a range"),
        ({"degradations": {"step": [1, 2]}}, r"degradations: Degrader has no option 'step'; did you mean 'steps'"),
        ({"degradations": {"operators": ["fog"]}}, r"operators: there is no 'fog'"),
        ({"degradations": "blur"}, r"degradations='blur'; expected a mapping"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(irq.UsageError, match=message):
        dataset(**options)


def test_an_image_smaller_than_the_crop_is_named():
    with pytest.raises(irq.UsageError, match=r"astronaut_0\.png is 96x96, less than gt_size=128"):
        dataset(gt_size=128)[0]
