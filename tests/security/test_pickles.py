"""No file is executed: every way in that takes a file is handed one that runs a command when it is unpickled."""

import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import ir_quality_plugin as irq
from ir_quality_plugin.checkpoints import read
from ir_quality_plugin.errors import CheckpointError, QualityPluginError, UsageError


def test_load_scorer_executes_nothing(hostile):
    with pytest.raises(CheckpointError, match=r"is refused|is damaged"):
        irq.load_scorer("ckdn-s", weights=hostile)


def test_the_hub_executes_nothing(hostile):
    from test_hub import ROOT

    with pytest.raises(CheckpointError):
        torch.hub.load(str(ROOT), "ckdn_s", source="local", weights=hostile)


@pytest.mark.parametrize(
    "words",
    [
        ("weights", "convert", "HOSTILE", "--scorer", "ckdn"),
        ("weights", "verify", "HOSTILE"),
        ("weights", "verify", "HOSTILE", "--scorer", "ckdn"),
        ("weights", "ls"),
        ("score", "PICTURES", "--scorer", "teacheriqa-s", "--weights", "HOSTILE"),
        ("score", "HOSTILE", "--scorer", "teacheriqa-s"),
        ("evaluate", "--restored", "a=PICTURES", "--scorer", "teacheriqa-s=HOSTILE", "--out", "OUT"),
        ("benchmark", "--labels", "HOSTILE", "--images", "PICTURES", "--scorer", "teacheriqa-s", "--out", "OUT"),
        ("probe", "--scorer", "teacheriqa-s=HOSTILE", "--images", "PICTURES", "--out", "OUT"),
        ("label", "--table", "HOSTILE", "--out", "OUT/labels.csv"),
        ("train", "-opt", "HOSTILE"),
        ("recipes", "validate", "HOSTILE"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_no_command_executes_a_file(run, hostile, words):
    pytest.importorskip("pyiqa")
    folder = hostile.parent
    for place in ("pictures", "weights"):
        (folder / place).mkdir()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(folder / "pictures" / "a.png")
    shutil.copy(hostile, folder / "weights" / "ckdn.safetensors")
    places = {"HOSTILE": hostile, "PICTURES": folder / "pictures", "OUT": folder / "out"}
    for name, path in places.items():
        words = [word.replace(name, str(path)) for word in words]
    code, said = run(*words)
    assert code in (1, 2) and said.strip()


RESTORATION = ("pretrain_network_g",)
SCORER = ("pretrain_network_g", "imagenet", "pretrain_teacher")


@pytest.mark.parametrize(
    ("recipe", "key"),
    [("sr_x4_l1", "pretrain_network_g"), ("esrgan_x4_ckdn", "pretrain_network_d"), ("scorer", "pretrain_network_g")]
    + [("scorer", key) for key in ("imagenet", "pretrain_teacher")]
    + [("scorer_taught", "pretrain_network_t")],
)
def test_no_path_of_an_option_file_is_executed(hostile, tmp_path, monkeypatch, recipe, key):
    """Our trainer's `path.*`."""
    pytest.importorskip("basicsr")
    from engine_runs import SMOKE

    from ir_quality_plugin.engine.loop import train
    from ir_quality_plugin.engine.options import read_options
    from ir_quality_plugin.integrations.register import register

    register()
    monkeypatch.chdir(SMOKE.parents[1])
    file = {
        "scorer": SMOKE.parent / "ckdn" / "smoke.yml",
        "scorer_taught": SMOKE.parent / "cvrkd" / "smoke_student.yml",
    }
    options = read_options(file.get(recipe, SMOKE / f"{recipe}.yml"), [f"path.{key}={hostile}"])
    with pytest.raises(QualityPluginError, match="hostile"):
        train(options, tmp_path / "root", False, lambda line: None)


@pytest.mark.parametrize("file", ["progress.pt", "optimizer.bin", "process_0.pt", "model.safetensors", "scaler.pt"])
def test_no_state_of_our_trainer_is_executed(hostile, tmp_path, file):
    from accelerate import Accelerator

    from ir_quality_plugin.engine.experiment import Experiment

    accelerator = Accelerator(cpu=True)
    network = torch.nn.Linear(2, 2)
    accelerator.prepare(network, torch.optim.Adam(network.parameters()))
    experiment = Experiment(tmp_path, "run", accelerator, 3)
    experiment.begin(resumed=False)
    experiment.save_state(1, {"iteration": 1}, {}, needed=0)
    state = experiment.states / "1"
    without_digests(state)
    shutil.copy(hostile, state / file)
    if file == "scaler.pt":  # nothing asks for it on a CPU
        experiment.load_state(state)
        return
    with pytest.raises(CheckpointError):
        experiment.load_state(state)


def without_digests(state):
    """Who can change a state can change what it says of its files."""
    progress = torch.load(state / "progress.pt", weights_only=True)
    torch.save({name: value for name, value in progress.items() if name != "digests"}, state / "progress.pt")


def test_a_custom_object_in_a_state_is_not_executed(hostile, tmp_path):
    from accelerate import Accelerator

    from ir_quality_plugin.engine.experiment import Experiment

    experiment = Experiment(tmp_path, "run", Accelerator(cpu=True), 3)
    experiment.begin(resumed=False)
    experiment.save_state(1, {"iteration": 1}, {}, needed=0)
    without_digests(experiment.states / "1")
    shutil.copy(hostile, experiment.states / "1" / "custom_checkpoint_0.pkl")
    shutil.copy(hostile, experiment.states / "1" / "random_states_0.pkl")
    with pytest.raises(CheckpointError, match="cannot resume"):
        experiment.load_state(experiment.states / "1")


def test_no_state_of_basicsrs_trainer_is_executed(hostile):
    pytest.importorskip("basicsr")
    from ir_quality_plugin.integrations.basicsr_trainer import load_resume_state

    opt = {"auto_resume": False, "path": {"resume_state": str(hostile)}}
    with pytest.raises(CheckpointError):
        load_resume_state(opt)


def test_basicsrs_own_loading_of_a_network_executes_nothing(hostile):
    pytest.importorskip("basicsr")
    from ir_quality_plugin.integrations.register import register

    register()
    from basicsr.models.base_model import BaseModel

    model = SimpleNamespace(get_bare_model=lambda network: network)
    with pytest.raises(Exception, match=r".") as error:
        BaseModel.load_network(model, torch.nn.Linear(2, 2), str(hostile))
    assert not isinstance(error.value, AssertionError)


@pytest.mark.parametrize("metric", ["cnniqa", "brisque"])
def test_a_file_that_options_name_to_pyiqa_is_not_executed(hostile, metric):
    pytest.importorskip("pyiqa")
    read_before = torch.load
    with pytest.raises(UsageError, match="cannot build"):
        irq.integrations.pyiqa_loss.PyiqaLoss(metric, options={"pretrained_model_path": str(hostile)})
    assert torch.load is read_before


def test_label_tables_and_votes_execute_nothing(hostile):
    from ir_quality_plugin.data.readers import READERS, read_labels
    from ir_quality_plugin.data.votes import read_votes

    for layout in READERS:
        with pytest.raises(UsageError):
            read_labels(layout, hostile)
    with pytest.raises(UsageError):
        read_votes(hostile, None)


def test_a_matlab_file_is_read_as_numbers(hostile, tmp_path):
    from scipy.io import savemat

    from ir_quality_plugin.data.mat_file import MOST_VALUES, read_numbers

    with pytest.raises(UsageError):
        read_numbers(hostile, "dmos")
    savemat(tmp_path / "bomb.mat", {"dmos": np.zeros(MOST_VALUES + 1), "other": np.zeros(9)}, do_compression=True)
    with pytest.raises(UsageError, match=r"has 1,000,001 values of dmos"):
        read_numbers(tmp_path / "bomb.mat", "dmos")
    with pytest.raises(UsageError, match="has none of mos"):
        read_numbers(tmp_path / "bomb.mat", "mos")


def test_an_image_is_not_unpickled(hostile):
    from ir_quality_plugin.data.images import read_image

    with pytest.raises(irq.ImageError, match="no image that can be recognised"):
        read_image(hostile)


def test_a_torch_whose_reader_can_be_fooled_reads_no_pickle(tmp_path, monkeypatch):
    torch.save({"a": torch.ones(1)}, tmp_path / "weights.pth")
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    with pytest.raises(CheckpointError, match=r"torch 2\.9\.1\+cpu can be made to run code.*or a \.safetensors file"):
        read.read_weights(tmp_path / "weights.pth")


@pytest.mark.parametrize("call", ["train", "test"])
def test_a_tag_in_an_option_file_runs_nothing_under_basicsrs_trainer(tmp_path, trace, monkeypatch, capsys, call):
    pytest.importorskip("basicsr")
    from ir_quality_plugin.integrations import basicsr_trainer

    file = tmp_path / "evil.yml"
    file.write_text(
        f"name: !!python/object/apply:os.system ['touch {trace}']\nnum_gpu: 0\ndatasets: {{}}\npath: {{}}\n"
    )
    monkeypatch.setattr(sys, "argv", ["basicsr", "-opt", str(file)])
    with pytest.raises(SystemExit) as stop:
        getattr(basicsr_trainer, call)(tmp_path)
    assert stop.value.code == 2
    assert "the tag !!python/object/apply:os.system stands there" in capsys.readouterr().err
