"""Scorers and pyiqa's metrics behind one call: direction, needs, value, gradient and errors."""

import pytest
import torch
from evaluation_folders import Called

import ir_quality_plugin as irq
from ir_quality_plugin.integrations.metric import build_metrics
from ir_quality_plugin.integrations.metric_requests import check_needs, requests

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
        (["ckdn-s="], [], "expected NAME, or NAME=FILE"),
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
    with pytest.raises(irq.ImageError, match="ms_ssim cannot score 64x64 pixels"):
        metrics["ms_ssim"](CLEAN, reference=CLEAN)


@pytest.mark.parametrize(
    ("scorers", "pyiqa", "given", "error", "message"),
    [
        ((), (), (), irq.UsageError, "no metric is named"),
        (("ckdn-s",), (), ("reference",), irq.MissingInputError, "ckdn-s needs --degraded DIR"),
        (
            ("cvrkd-s", "ckdn-s"),
            (),
            (),
            irq.MissingInputError,
            "cvrkd-s needs --reference DIR; ckdn-s needs",
        ),
        (("ckdm-s",), (), (), irq.UsageError, "did you mean 'ckdn-s'"),
        ((), ("ssim",), ("degraded",), irq.MissingInputError, "ssim needs --reference DIR"),
        ((), ("sssim",), (), irq.UsageError, "pyiqa has no metric 'sssim'"),
        ((), ("fid",), ("reference",), irq.UsageError, "fid compares sets of images"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_built(scorers, pyiqa, given, error, message, monkeypatch):
    monkeypatch.setattr("ir_quality_plugin.catalog.build_network", lambda *_: pytest.fail("a network was built"))
    with pytest.raises(error, match=message):
        check_needs(scorers, pyiqa, {name: name in given for name in ("degraded", "reference")})


def test_metrics_of_one_name_are_told_apart():
    named = requests(["ckdn-s", "ckdn-s=random", "ckdn=a/best.pth", "ckdn=b/best.pth"], ["ssim"])
    assert [one.name for one in named] == [
        "ckdn-s",
        "ckdn-s (random)",
        "ckdn (a/best)",
        "ckdn (b/best)",
        "ssim",
    ]


def test_a_pyiqa_metric_of_a_scorers_name_is_called_pyiqas(monkeypatch):
    monkeypatch.setitem(pyiqa.default_model_configs.DEFAULT_CONFIGS, "ckdn-s", {"metric_mode": "NR"})
    assert [one.name for one in requests(["ckdn-s"], ["ckdn-s"])] == ["ckdn-s", "pyiqa ckdn-s"]


def test_what_a_run_records_tells_weights_and_versions_apart():
    first, second, theirs = build_metrics(["ckdn-s", "ckdn-s=random"], ["ssim"]).values()
    assert first.about["digest"] != second.about["digest"]
    assert second.about["weights"] == second.origin
    assert theirs.about["kind"] == "pyiqa" and theirs.about["version"] == pyiqa.__version__


def test_standard_output_is_left_to_the_caller_while_pyiqa_builds(capsys, monkeypatch):
    real = pyiqa.create_metric
    monkeypatch.setattr(pyiqa, "create_metric", lambda *a, **k: print("Loading weights") or real(*a, **k))
    build_metrics([], ["ssim"])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("error", [TypeError("no such mode\nstack"), IndexError(), ZeroDivisionError("by zero")])
def test_what_any_metric_stumbles_over_is_an_error_of_ours(error):
    def breaks(*_):
        raise error

    with pytest.raises(irq.ImageError, match=r"^mine cannot score 64x64 pixels \(HxW\): \w+[^\n]*$"):
        Called(breaks, name="mine")(CLEAN)


@pytest.mark.parametrize("error", [RuntimeError("DefaultCPUAllocator: can't allocate memory"), MemoryError()])
def test_a_machine_without_memory_is_no_bad_image(error, monkeypatch):
    def breaks(*_):
        raise error

    (metric,) = build_metrics([], ["ssim"]).values()
    monkeypatch.setattr(metric._metric.network, "forward", breaks)
    with pytest.raises(irq.ImageError, match=r"ran out of memory on 64x64 pixels.*smaller tiles") as raised:
        metric(CLEAN, reference=CLEAN)
    assert type(raised.value).__name__ == "ImageMemoryError"
