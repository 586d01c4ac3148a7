"""The distance in the restoration teacher's features."""

import pytest
import torch

import ir_quality_plugin as irq


@pytest.fixture(scope="module")
def loss():
    return irq.TeacherFeatureLoss(weights="random")


def images(seed=0, size=(96, 70)):
    return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(seed))


def test_the_distance_is_zero_for_the_clean_image_and_grows_with_noise(loss):
    clean = images()
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    values = [loss((clean + sigma * noise).clamp(0, 1), clean).item() for sigma in (0, 0.05, 0.2)]
    assert values[0] == 0
    assert values[0] < values[1] < values[2]


@pytest.mark.parametrize(("distance", "power"), [("l1", 1), ("l2", 2)])
def test_the_distance_is_the_weighted_sum_over_the_chosen_layers(distance, power):
    loss = irq.TeacherFeatureLoss(
        layers={"stem": 0.5, "map16": 2.0}, distance=distance, weights="random", loss_weight=3.0, reduction="none"
    )
    restored, clean = images(size=(64, 64)), images(1, size=(64, 64))
    knowledge, taps = loss.teacher.network.understand(loss.teacher.normalise(restored))
    clean_knowledge, clean_taps = loss.teacher.network.understand(loss.teacher.normalise(clean))
    stem = (taps.stem - clean_taps.stem).abs().pow(power).mean(dim=(1, 2, 3))
    decoder = (knowledge.map16 - clean_knowledge.map16).abs().pow(power).mean(dim=(1, 2, 3))
    torch.testing.assert_close(loss(restored, clean), 3 * (0.5 * stem + 2 * decoder))


@pytest.mark.parametrize("layers", [None, {"stem": 1.0, "stage4": 2.0}, {"bottom": 1.0, "map16": 1.0, "map8": 1.0}])
def test_the_distance_and_its_gradient_are_those_of_the_network_as_it_is_drawn(layers):
    loss, plain = (irq.TeacherFeatureLoss(layers=layers, weights="random") for _ in range(2))
    plain.teacher._folded = (plain.teacher._state(), plain.teacher.network)
    found, expected = images().requires_grad_(), images().requires_grad_()
    values = loss(found, images(1)), plain(expected, images(1))
    assert loss.teacher.folded is not loss.teacher.network
    assert plain.teacher.folded is plain.teacher.network
    torch.testing.assert_close(*values, rtol=1e-5, atol=1e-6)
    for value in values:
        value.backward()
    assert (found.grad - expected.grad).norm() < 1e-2 * expected.grad.norm()  # a ReLU near zero may open or not


@pytest.mark.parametrize(("layers", "decoded"), [({"stage1": 1.0}, 0), ({"stage1": 1.0, "bottom": 1.0}, 2)])
def test_the_folded_network_runs_and_its_decoder_only_for_a_layer_of_it(layers, decoded):
    loss, runs, drawn = irq.TeacherFeatureLoss(layers=layers, weights="random"), [], []
    loss.teacher.folded.bottom.register_forward_hook(lambda *_: runs.append(1))
    loss.teacher.network.encoder.conv1.register_forward_hook(lambda *_: drawn.append(1))
    loss(images(), images(1))
    assert (len(runs), drawn) == (decoded, [])


def test_one_step_comes_nearer_and_reaches_the_pixels_alone(loss):
    restored, clean = images().requires_grad_(), images(1).requires_grad_()
    before = loss(restored, clean)
    before.backward()
    assert clean.grad is None
    assert all(weight.grad is None for weight in loss.teacher.network.parameters())
    stepped = restored - 1e-3 * restored.grad / restored.grad.abs().max()
    assert loss(stepped.detach(), clean) < before
    assert not loss.state_dict()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": {"map5": 1.0}}, "layers has 'map5'; did you mean 'map8' or 'map4'"),
        ({"distance": "cosine"}, "distance='cosine'"),
        ({"teacher": "ckdn-s"}, "has no restoration teacher"),
        ({"teacher": "teacher-s"}, "did you mean 'teacheriqa-s'"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(irq.UsageError, match=message):
        irq.TeacherFeatureLoss(weights="random", **options)


def test_images_that_do_not_fit_are_refused(loss):
    with pytest.raises(irq.ImageError, match="NaN or Inf"):
        loss(images() * torch.nan, images())
    with pytest.raises(irq.ImageError, match="expected the same size"):
        loss(images(), images(size=(90, 70)))
