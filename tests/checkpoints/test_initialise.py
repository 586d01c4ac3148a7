"""Starting from ImageNet weights: an explicit call, from torchvision's loader or a local file in its layout."""

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import ResNet50_Weights, resnet50

import ir_quality_plugin as irq
from ir_quality_plugin.checkpoints.initialise import initialise_from_teacher

TRUNK = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
PLACES = {
    irq.RestorationTeacher: {part: [f"encoder.{part}"] for part in TRUNK},
    irq.TeacherIQAStudent: {part: [f"teacher.encoder.{part}"] for part in TRUNK},
    irq.CVRKD: {part: [f"backbone.{part}"] for part in TRUNK},
    irq.CKDN: {
        "conv1": ["quality_encoder.conv", "degradation_encoder.conv"],
        "layer1": ["quality_encoder.stage", "degradation_encoder.stage"],
        "layer2": ["predictor.stage", "preference_predictor.stage"],
    },
}


@pytest.fixture(scope="module")
def imagenet():
    return resnet50(weights=None).state_dict()


@pytest.fixture(scope="module")
def local_file(imagenet, tmp_path_factory):
    path = tmp_path_factory.mktemp("imagenet") / "resnet50.pth"
    torch.save(imagenet, path)
    return path


@pytest.mark.parametrize("kind", PLACES)
def test_every_part_that_has_imagenet_weights_in_the_paper_gets_them(kind, imagenet, local_file):
    network = kind()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert irq.initialise_from_imagenet(network, local_file) is network
    after = network.state_dict()
    touched = set()
    for part, places in PLACES[kind].items():
        for name, tensor in imagenet.items():
            if name.split(".")[0] == part:
                for place in places:
                    target = name.replace(part, place, 1)
                    assert torch.equal(after[target], tensor)
                    touched.add(target)
    assert len(touched) > 30
    assert all(torch.equal(after[name], before[name]) for name in after if name not in touched)


def test_torchvisions_own_loader_is_used_for_its_weights(imagenet, monkeypatch):
    asked = []

    def get_state_dict(self, **options):
        asked.append((self, options))
        return imagenet

    monkeypatch.setattr(ResNet50_Weights, "get_state_dict", get_state_dict)
    network = irq.initialise_from_imagenet(irq.CKDN(), ResNet50_Weights.IMAGENET1K_V2)
    assert torch.equal(network.quality_encoder.conv.weight, imagenet["conv1.weight"])
    assert asked[0][0] is ResNet50_Weights.IMAGENET1K_V2
    assert asked[0][1]["check_hash"]


def test_a_download_that_fails_says_how_to_go_on(monkeypatch):
    def offline(self, **options):
        raise OSError("no network")

    monkeypatch.setattr(ResNet50_Weights, "get_state_dict", offline)
    with pytest.raises(irq.CheckpointError, match=r"could not fetch.*no network.*pass its path"):
        irq.initialise_from_imagenet(irq.CKDN(), ResNet50_Weights.IMAGENET1K_V1)


def test_a_trunk_in_half_precision_safetensors_serves_too(imagenet, tmp_path):
    halves = {k: v.half() if v.is_floating_point() else v for k, v in imagenet.items() if not k.startswith("fc")}
    save_file(halves, tmp_path / "trunk.safetensors")
    network = irq.initialise_from_imagenet(irq.CVRKD(), tmp_path / "trunk.safetensors")
    assert network.backbone.conv1.weight.dtype == torch.float32
    torch.testing.assert_close(network.backbone.conv1.weight.half(), halves["conv1.weight"])


def test_a_compact_network_is_refused(local_file):
    network = irq.CKDN(stem_width=8, planes=(4, 8), depths=(1, 1))
    with pytest.raises(irq.CheckpointError, match="do not fit this CKDN"):
        irq.initialise_from_imagenet(network, local_file)


def test_an_incomplete_trunk_is_refused_and_changes_nothing(imagenet, tmp_path):
    partial = {name: tensor for name, tensor in imagenet.items() if not name.startswith("layer4")}
    torch.save(partial, tmp_path / "partial.pth")
    network = irq.RestorationTeacher()
    before = network.encoder.conv1.weight.clone()
    with pytest.raises(irq.CheckpointError, match=r"encoder.layer4.0.conv1.weight is missing"):
        irq.initialise_from_imagenet(network, tmp_path / "partial.pth")
    assert torch.equal(network.encoder.conv1.weight, before)


def test_other_networks_and_other_weights_are_refused(local_file):
    with pytest.raises(irq.UsageError, match=r"cannot initialise a Linear.*expected one of RestorationTeacher"):
        irq.initialise_from_imagenet(torch.nn.Linear(2, 2), local_file)
    with pytest.raises(irq.UsageError, match="ResNet50_Weights or the path"):
        irq.initialise_from_imagenet(irq.CKDN(), 50)


@pytest.mark.parametrize("name", ["ckdn-s", "cvrkd-s", "teacheriqa-s"])
def test_a_trained_student_gives_its_teacher_as_the_teachers_own_file_does(name):
    student = irq.load_scorer("teacheriqa-s", weights="random").network
    student.load_state_dict({key: tensor + 1 for key, tensor in student.state_dict().items()})
    started = []
    for source in (student.teacher, student):
        network = irq.load_scorer(name, weights="random").network
        started.append(initialise_from_teacher(network, source.state_dict(), "a file").state_dict())
    assert all(torch.equal(tensor, started[1][key]) for key, tensor in started[0].items())
    fresh = irq.load_scorer(name, weights="random").network.state_dict()
    assert any(not torch.equal(tensor, fresh[key]) for key, tensor in started[0].items())
