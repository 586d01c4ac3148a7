"""Every loss on real photographs: one small step against its gradient improves what it measures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ir_quality_plugin as irq
from ir_quality_plugin.data.images import list_images, read_image

PHOTOGRAPHS = Path(__file__).parents[2] / "recipes" / "smoke" / "photographs"


def batch(part, kind):
    return torch.stack([read_image(path) for path in list_images(PHOTOGRAPHS / part / kind)])


@pytest.fixture(scope="module")
def given():
    """Four photographs, their reductions by 4, and what bicubic interpolation makes of these."""
    small, clean = batch("val", "x4"), batch("val", "gt")
    upscaled = []
    for image in small:
        picture = Image.fromarray((image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
        large = picture.resize((clean.shape[-1], clean.shape[-2]), Image.Resampling.BICUBIC)
        upscaled.append(torch.from_numpy(np.asarray(large).copy()).permute(2, 0, 1).float() / 255)
    return {"restored": torch.stack(upscaled), "degraded": small, "reference": clean}


def pyiqa_loss(**options):
    pytest.importorskip("pyiqa")
    from ir_quality_plugin.integrations.pyiqa_loss import PyiqaLoss

    return PyiqaLoss(**options)


LOSSES = {
    "blind": lambda: irq.NoReferenceQualityLoss(weights="random"),
    "degraded": lambda: irq.DegradedReferenceQualityLoss(weights="random"),
    "content-variant": lambda: irq.ContentVariantQualityLoss(references=PHOTOGRAPHS / "train" / "gt", weights="random"),
    "full-reference": lambda: irq.QualityLoss("ckdn-s", weights="random", full_reference=True),
    "features": lambda: irq.TeacherFeatureLoss(weights="random"),
    "ssim": lambda: pyiqa_loss(metric="ssim"),
    "gmsd": lambda: pyiqa_loss(metric="gmsd"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_small_step_on_real_photographs_improves_what_is_measured(name, given):
    loss = LOSSES[name]()
    restored = given["restored"].clone().requires_grad_()
    before = loss(restored, degraded=given["degraded"], reference=given["reference"])
    score_before = loss.log.get("score")
    before.backward()
    assert restored.grad.isfinite().all()
    # No image of the batch, and no quarter of an image, is left without a gradient.
    quarters = restored.grad.unfold(2, 48, 48).unfold(3, 48, 48).abs().amax((1, 4, 5))
    assert (quarters > 0).all()
    stepped = restored.detach() - 0.1 / 255 * restored.grad / restored.grad.std()
    after = loss(stepped, degraded=given["degraded"], reference=given["reference"])
    assert after < before
    if score_before is not None and name not in ("features", "gmsd"):
        assert loss.log["score"] > score_before
    if name == "gmsd":
        assert loss.log["score"] < score_before


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_ten_steps_go_on_improving(name, given):
    loss = LOSSES[name]()
    restored = given["restored"].clone().requires_grad_()
    optimiser = torch.optim.Adam([restored], lr=1e-3)
    course = []
    for _ in range(10):
        optimiser.zero_grad()
        term = loss(restored, degraded=given["degraded"], reference=given["reference"])
        term.backward()
        optimiser.step()
        course.append(term.item())
    assert course[-1] < course[len(course) // 2] < course[0]
