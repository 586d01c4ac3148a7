"""BasicSR on today's packages: it imports, knows our types, and its own trainer trains, validates and resumes."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from accelerate import Accelerator
from PIL import Image

import ir_quality_plugin as irq
import ir_quality_plugin.integrations

pytest.importorskip("basicsr")
pytest.importorskip("pyiqa")

from basicsr.utils import options as option_files

from ir_quality_plugin.engine.continuing import states_of
from ir_quality_plugin.engine.experiment import Experiment
from ir_quality_plugin.integrations import basicsr_trainer
from ir_quality_plugin.integrations.options import build_term, build_terms
from ir_quality_plugin.integrations.register import register

OPTIONS = {
    "name": "smoke",
    "model_type": "QualitySRModel",
    "scale": 4,
    "num_gpu": 0,
    "manual_seed": 0,
    "network_g": {"type": "MSRResNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "upscale": 4},
    "path": {"pretrain_network_g": None, "strict_load_g": True, "resume_state": None},
    "train": {
        "ema_decay": 0.9,
        "optim_g": {"type": "Adam", "lr": 1.0e-3},
        "scheduler": {"type": "MultiStepLR", "milestones": [100], "gamma": 0.5},
        "total_iter": 4,
        "warmup_iter": -1,
        "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
        "quality_opt": {
            "type": "DegradedReferenceQualityLoss",
            "scorer": "ckdn-s",
            "weights": "random",
            "balance": 0.5,
        },
    },
    "val": {
        "val_freq": 2,
        "save_img": False,
        "metrics": {
            "ckdn": {"type": "calculate_quality", "scorer": "ckdn-s", "weights": "random", "better": "higher"},
            "gmsd": {"type": "calculate_pyiqa", "metric": "gmsd"},
        },
    },
    "logger": {"print_freq": 1, "save_checkpoint_freq": 2, "use_tb_logger": False, "wandb": {"project": None}},
    "dist_params": {"backend": "nccl", "port": 29500},
}


@pytest.fixture
def workplace(tmp_path):
    """A folder with paired images and an option file for them."""
    draw = np.random.RandomState(0)
    for index in range(4):
        for folder, size in (("lq", 24), ("gt", 96)):
            (tmp_path / folder).mkdir(exist_ok=True)
            pixels = draw.randint(0, 256, (size, size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{index}.png")
    paired = {"type": "PairedImageDataset", "dataroot_gt": "gt", "dataroot_lq": "lq", "io_backend": {"type": "disk"}}
    loading = {"gt_size": 64, "use_hflip": True, "use_rot": True, "num_worker_per_gpu": 0, "batch_size_per_gpu": 2}
    train = {"name": "train", **paired, **loading, "dataset_enlarge_ratio": 1, "prefetch_mode": None}
    return tmp_path, {**OPTIONS, "datasets": {"train": train, "val": {"name": "val", **paired}}}


def run(folder, options, *arguments):
    (folder / "opt.yml").write_text(yaml.safe_dump(options))
    command = [sys.executable, "-m", "ir_quality_plugin.basicsr_train", "-opt", "opt.yml", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_basicsr_imports_after_the_integrations_and_torch_is_not_touched_early():
    code = (
        "import sys, ir_quality_plugin.integrations as i; i.install(); print('torch' in sys.modules);"
        "print(sum(type(f).__name__ == 'FunctionalTensorFinder' for f in sys.meta_path)); import basicsr.archs"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.split() == ["False", "1"]


def test_registering_twice_changes_nothing():
    from basicsr.utils.registry import ARCH_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY

    assert register() == register() == ["basicsr", "pyiqa"]
    for name in ("TeacherRestorationNet", "TeacherIQAStudent", "CKDN", "CVRKD"):
        assert name in ARCH_REGISTRY
    for name in ("NoReferenceQualityLoss", "ContentVariantQualityLoss", "TeacherFeatureLoss", "PyiqaLoss"):
        assert name in LOSS_REGISTRY
    assert "calculate_quality" in METRIC_REGISTRY
    assert "QualityRealESRGANModel" in MODEL_REGISTRY


@pytest.mark.slow
def test_basicsrs_trainer_trains_validates_saves_and_resumes_on_a_cpu(workplace):
    folder, options = workplace
    finished = run(folder, options)
    assert finished.returncode == 0, finished.stderr
    log = finished.stdout + finished.stderr
    assert "l_quality: " in log and "quality_factor: " in log
    assert "# ckdn: " in log and "# gmsd: " in log
    weights = torch.load(folder / "experiments/smoke/models/net_g_4.pth", weights_only=True)
    assert not any("scorer" in name for name in weights["params"])
    resumed = run(folder, {**options, "train": {**options["train"], "total_iter": 6}}, "--auto_resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "Resuming training from epoch: 1, iter: 4" in resumed.stdout + resumed.stderr
    assert (folder / "experiments/smoke/models/net_g_6.pth").is_file()
    without = {name: value for name, value in options["train"].items() if name != "quality_opt"}
    assert run(folder, {**options, "name": "plain", "train": without}).returncode == 0
    plain = torch.load(folder / "experiments/plain/models/net_g_4.pth", weights_only=True)
    assert any(not torch.equal(plain["params"][name], tensor) for name, tensor in weights["params"].items())


@pytest.mark.slow
def test_a_misspelt_key_stops_before_training_with_the_nearest_one(workplace):
    folder, options = workplace
    terms = {**options["train"]["quality_opt"], "balence": 0.1}
    finished = run(folder, {**options, "train": {**options["train"], "quality_opt": terms}})
    assert finished.returncode == 2
    assert (
        "train.quality_opt: DegradedReferenceQualityLoss has no option 'balence'; did you mean 'balance'"
        in finished.stderr
    )
    assert "Traceback" not in finished.stderr


def test_unknown_types_and_keys_are_named_with_their_place():
    with pytest.raises(irq.UsageError, match=r"train\.quality_opt\[1\]: type='NoReferenceLoss' is none of our losses"):
        build_terms([{"type": "PyiqaLoss", "metric": "ssim"}, {"type": "NoReferenceLoss"}])
    with pytest.raises(irq.UsageError, match="has no option 'layer'; did you mean 'layers'"):
        build_term({"type": "TeacherFeatureLoss", "layer": {}}, "here")
    assert build_terms(None) == []


def test_a_stock_models_perceptual_slot_takes_the_losses_that_it_can_feed():
    register()
    from basicsr.utils.registry import LOSS_REGISTRY

    restored, clean = torch.rand(2, 2, 3, 96, 96)
    for name, options in (
        ("NoReferenceQualityLoss", {"weights": "random"}),
        ("TeacherFeatureLoss", {"weights": "random"}),
        ("PyiqaLoss", {"metric": "ssim"}),
    ):
        term, style = LOSS_REGISTRY.get(name)(**options)(restored.requires_grad_(), clean)
        assert style is None
        assert torch.autograd.grad(term, restored)[0].abs().sum() > 0
    with pytest.raises(irq.UsageError, match=r"a stock model does not hand.*QualitySRModel"):
        LOSS_REGISTRY.get("DegradedReferenceQualityLoss")(weights="random")


@pytest.fixture
def in_this_process(workplace, monkeypatch):
    """Call BasicSR's pipeline as far as a function goes; gives what it returns, and the code that it ends with."""
    import basicsr.test
    import basicsr.train

    folder, options = workplace
    (folder / "opt.yml").write_text(yaml.safe_dump(options))
    monkeypatch.chdir(folder)
    for module, name in (
        (basicsr.train, "parse_options"),
        (basicsr.test, "parse_options"),
        (option_files, "ordered_yaml"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setattr(basicsr.train, "load_resume_state", basicsr.train.load_resume_state)

    def call(pipeline, *arguments):
        monkeypatch.setattr(sys, "argv", ["train", "-opt", "opt.yml", *arguments])
        return basicsr_trainer.run(pipeline, folder)

    return folder, call


def test_the_two_trainers_keep_each_other_out_of_a_name(in_this_process, capsys):
    import basicsr.train

    folder, call = in_this_process
    ours = Experiment(folder, "smoke", Accelerator(cpu=True), 1)
    held = []

    def pipeline(root):
        basicsr.train.parse_options(root, is_train=True)
        with pytest.raises(irq.UsageError, match="smoke: another run is writing there"), ours.held():
            pass
        held.append(root)

    call(pipeline)
    assert held
    with ours.held(), pytest.raises(SystemExit) as ended:
        call(pipeline)
    assert ended.value.code == 2 and "smoke: another run is writing there" in capsys.readouterr().err
    call(pipeline)  # nothing is held behind it


def test_neither_trainer_goes_on_in_a_run_of_the_others(in_this_process, capsys):
    import basicsr.train

    folder, call = in_this_process
    ours = Experiment(folder, "smoke", Accelerator(cpu=True), 1)
    (ours.states / "4").mkdir(parents=True)

    def pipeline(root):
        opt, _ = basicsr.train.parse_options(root, is_train=True)
        opt["root_path"] = root
        assert basicsr.train.load_resume_state(opt) is None

    call(pipeline)  # a new run puts the earlier one aside
    with pytest.raises(SystemExit) as ended:
        call(pipeline, "--auto_resume")
    assert (
        ended.value.code == 2 and "smoke is a run of irq train, whose states are of another" in capsys.readouterr().err
    )
    (ours.states / "4").rmdir()
    (ours.states / "4.state").touch()
    options = SimpleNamespace(path=SimpleNamespace(resume_state=None))
    assert states_of(options, ours, auto_resume=False) == []
    with pytest.raises(irq.UsageError, match="smoke is a run of BasicSR's own trainer"):
        states_of(options, ours, auto_resume=True)
