"""An option file is checked before anything is built: what is wrong is named with its place and the nearest name."""

import copy

import pytest

import ir_quality_plugin as irq
import ir_quality_plugin.integrations

pytest.importorskip("basicsr")
pytest.importorskip("pyiqa")

from ir_quality_plugin.integrations.basicsr_options import check_options
from ir_quality_plugin.integrations.register import register

OPTIONS = {
    "model_type": "QualitySRModel",
    "network_g": {"type": "MSRResNet", "num_feat": 8},
    "datasets": {"train": {"type": "PairedImageDataset"}, "val": {"type": "PairedImageDataset"}},
    "train": {
        "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0},
        "quality_opt": {"type": "DegradedReferenceQualityLoss", "weights": "random"},
    },
    "val": {"metrics": {"ckdn": {"type": "calculate_quality", "scorer": "ckdn-s", "weights": "random"}}},
}


@pytest.fixture
def options():
    register()
    return copy.deepcopy(OPTIONS)


def put(options, place, value):
    *parents, last = place.split(".")
    for parent in parents:
        options = options.setdefault(parent, {})
    options[last] = value


def test_a_good_file_passes_and_gains_the_direction_of_its_metrics(options):
    put(options, "val.metrics.gmsd", {"type": "calculate_pyiqa", "metric": "gmsd"})
    assert check_options(options) == []
    assert options["val"]["metrics"]["gmsd"]["better"] == "lower"
    assert options["val"]["metrics"]["ckdn"]["better"] == "higher"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("model_type", "QualitySRModell", r"model_type='QualitySRModell' is not registered; did you mean .*QualitySR"),
        ("network_g.type", "MSRResnet", r"network_g\.type='MSRResnet' is not registered; did you mean 'MSRResNet'"),
        ("network_g.num_fead", 8, r"network_g: MSRResNet has no option 'num_fead'; did you mean 'num_feat'"),
        ("network_g", {"type": "CKDN", "hiden": 8}, r"network_g: CKDN has no option 'hiden'; did you mean 'hidden'"),
        (
            "network_g",
            {"type": "TeacherRestorationNet", "stem_widht": 8},
            r"no option 'stem_widht'; did you mean 'stem_w",
        ),
        ("datasets.train.type", "PairedImagesDataset", r"datasets\.train\.type=.*did you mean 'PairedImageDataset'"),
        ("train.pixel_opt.loss_wieght", 1, r"train\.pixel_opt: L1Loss has no option 'loss_wieght'.*'loss_weight'"),
        ("train.pixel_opt.type", "L2Loss", r"train\.pixel_opt\.type='L2Loss' is not registered; did you mean .*L1Loss"),
        ("train.quality_opt.balence", 1, r"DegradedReferenceQualityLoss has no option 'balence'; did you mean 'balanc"),
        ("train.quality_opt.scorer", "ckdm-s", r"no scorer is named 'ckdm-s'; did you mean 'ckdn-s'"),
        ("train.quality_opts", {}, r"train has no key 'quality_opts'; did you mean 'quality_opt'"),
        ("train.quality_opt", "ckdn-s", r"train\.quality_opt is a str; expected a mapping with a type"),
        ("train.quality_opt", {"type": "L1Loss"}, r"train\.quality_opt: type='L1Loss' is none of our losses"),
        ("model_type", "SRModel", r"train\.quality_opt: SRModel does not read it; expected model_type: QualitySRModel"),
        ("train.perceptual_opt", {"type": "DegradedReferenceQualityLoss"}, r"perceptual_opt: .*against the degraded"),
        ("train.pixel_opt", {"type": "NoReferenceQualityLoss"}, r"belongs into train\.perceptual_opt or train\.qual"),
        ("val.metrics.ckdn.scorrer", "x", r"val\.metrics\.ckdn: calculate_quality has no option 'scorrer'; .*'scorer'"),
        ("val.metrics.ckdn.scorer", "ckdn-x", r"no scorer is named 'ckdn-x'; did you mean 'ckdn"),
        ("val.metrics.ckdn.better", "lower", r"val\.metrics\.ckdn: better='lower'; expected 'higher'"),
        ("val.metrics.a", {"type": "calculate_pyiqa", "metric": "sim"}, r"pyiqa has no metric 'sim'; did you mean"),
        ("val.metrics.a", {"type": "calculate_quality", "scorer": "cvrkd", "weights": "no.pth"}, r"no\.pth"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(options, place, value, message):
    put(options, place, value)
    with pytest.raises(irq.QualityPluginError, match=message):
        check_options(options)


def test_a_metric_against_the_degraded_input_needs_a_model_that_hands_it_on(options):
    del options["train"]["quality_opt"]
    options["model_type"] = "SRModel"
    with pytest.raises(irq.UsageError, match=r"val\.metrics\.ckdn: ckdn-s judges against the degraded .* SRModel does"):
        check_options(options)


def test_a_network_that_would_be_fetched_is_announced(options, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    put(options, "train.perceptual_opt", {"type": "PerceptualLoss", "layer_weights": {"conv5_4": 1}})
    (note,) = check_options(options)
    assert "PerceptualLoss fetches vgg19" in note and "vgg19-dcbb9e9d.pth" in note
    cached = tmp_path / "hub" / "checkpoints" / "vgg19-dcbb9e9d.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"there")
    assert check_options(options) == []
