"""Scorers and pyiqa's metrics behind one call: direction, needs, value, gradient and errors."""

import pytest
import torch

import ir_quality_plugin as irq
from ir_quality_plugin.integrations.metric import build_metrics

pyiqa = pytest.importorskip("pyiqa")

CLEAN = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
WORSE = (CLEAN + 0.1 * torch.randn(CLEAN.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)


def test_each_has_its_direction_and_its_needs():
    metrics = build_metrics(["ckdn-s", "teacheriqa-s=random"], ["psnr", "gmsd", "piqe"])
    assert {name: (m.needs, m.higher_is_better) for name, m in metrics.items()} == {
        "ckdn-s": ("degraded", True),
        "teacheriqa-s (random)": (None, True),
        "psnr": ("reference", True),
        "gmsd": ("reference", False),
        "piqe": (None, False),
    }
    for name in ("psnr", "gmsd"):
        better, worse = (metrics[name](image, reference=CLEAN) for image in (CLEAN, WORSE))
        assert (metrics[name].sign * better > metrics[name].sign * worse).all()


def test_values_are_those_of_the_metric_itself():
    metrics = build_metrics(["ckdn-s"], ["ssim"])
    theirs = pyiqa.create_metric("ssim", device=torch.device("cpu"))
    torch.testing.assert_close(metrics["ssim"](WORSE, reference=CLEAN), theirs(WORSE, CLEAN).flatten())
    torch.testing.assert_close(metrics["ckdn-s"](WORSE, CLEAN), irq.load_scorer("ckdn-s")(WORSE, CLEAN))


@pytest.mark.parametrize("name", ["ckdn-s", "ssim", "gmsd"])
def test_the_gradient_reaches_the_pixels(name):
    (metric,) = build_metrics(*(([name], []) if name == "ckdn-s" else ([], [name]))).values()
    picture = WORSE.clone().requires_grad_()
    metric(picture, degraded=CLEAN, reference=CLEAN).sum().backward()
    assert picture.grad.isfinite().all() and picture.grad.any()


@pytest.mark.parametrize(
    ("scorers", "names", "message"),
    [
        ([], [], "no metric is named"),
        (["ckdn-s", "ckdn-s"], [], "ckdn-s is named twice"),
        ([], ["simm"], "pyiqa has no metric 'simm'"),
        ([], ["fid"], "compares sets of images"),
        (["ckdm"], [], "did you mean 'ckdn'"),
    ],
)
def test_wrong_names_are_refused(scorers, names, message):
    with pytest.raises(irq.UsageError, match=message):
        build_metrics(scorers, names)


def test_what_cannot_be_scored_is_an_error_of_ours():
    metrics = build_metrics([], ["ssim", "ms_ssim"])
    with pytest.raises(irq.UsageError, match="ssim was given no reference image"):
        metrics["ssim"](CLEAN)
    with pytest.raises(irq.ImageError, match="ssim compares aligned images"):
        metrics["ssim"](CLEAN, reference=CLEAN[..., :32])
    with pytest.raises(irq.ImageError, match="pyiqa's ms_ssim cannot score 64x64 pixels"):
        metrics["ms_ssim"](CLEAN, reference=CLEAN)
