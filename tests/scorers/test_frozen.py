"""What makes a frozen scorer fast, and that none of it outlives a change or leaks into what the user holds."""

import copy
import os
import subprocess
import sys

import pytest
import torch

import ir_quality_plugin as irq
from ir_quality_plugin.nn.folded import FoldedConv

NAMES = ("teacheriqa-s", "ckdn-s", "cvrkd-s")


def images(count=2, height=100, width=132, seed=0):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def given(restored):
    return {"degraded": restored.flip(3), "reference": restored.flip(2)}


@pytest.fixture(params=NAMES)
def scorer(request):
    return irq.load_scorer(request.param, weights="random")


def plain(scorer):
    """The same scorer on the network as the paper draws it."""
    exact = copy.deepcopy(scorer)
    exact._folded = (exact._state(), exact.network)
    return exact


def test_folded_scores_and_gradients_are_those_of_the_network(scorer):
    restored, other = images().requires_grad_(), images().requires_grad_()
    exact = plain(scorer)
    found, expected = scorer(restored, **given(restored.detach())), exact(other, **given(other.detach()))
    assert exact.folded is exact.network
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    found.sum().backward()
    expected.sum().backward()
    assert (restored.grad - other.grad).norm() < 1e-2 * other.grad.norm()  # a ReLU near zero may open or not


def test_changed_weights_are_scored_with(scorer):
    restored = images()
    before = scorer(restored, **given(restored))
    state = {name: tensor.clone() for name, tensor in scorer.network.state_dict().items()}
    with torch.no_grad():
        next(scorer.network.parameters()).mul_(2)
    assert not torch.equal(scorer(restored, **given(restored)), before)
    scorer.network.load_state_dict(state)
    assert torch.equal(scorer(restored, **given(restored)), before)


def test_weights_that_are_exchanged_are_scored_with(scorer):
    restored = images()
    before = scorer(restored, **given(restored))
    other = {name: tensor.clone() for name, tensor in scorer.network.state_dict().items()}
    name = next(name for name, _ in scorer.network.named_parameters())
    other[name] = 2 * other[name]
    scorer.network.load_state_dict(other, assign=True)
    scorer.network.requires_grad_(False)
    assert not torch.equal(scorer(restored, **given(restored)), before)


def first_conv(network):
    name = next(name for name, module in network.named_modules() if isinstance(module, torch.nn.Conv2d))
    return name, network.get_submodule(name)


def by_data(network):
    weight = first_conv(network)[1].weight
    weight.data = 2 * weight.data


def by_module(network):
    name, conv = first_conv(network)
    other = copy.deepcopy(conv)
    other.weight.data.mul_(2)
    network.set_submodule(name, other)


def by_parameter(network):
    conv = first_conv(network)[1]
    doubled = 2 * conv.weight.detach()
    del conv.weight  # what is made next may come to lie where the weight did
    conv.weight = torch.nn.Parameter(doubled, requires_grad=False)


def by_buffer(network):
    norm = next(module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d))
    norm.running_mean = norm.running_mean + 0.1


@pytest.mark.parametrize("write", [by_data, by_module, by_parameter, by_buffer])
def test_weights_are_scored_with_however_they_were_exchanged(scorer, write):
    restored = images(1)
    before = scorer(restored, **given(restored))
    write(scorer.network)
    found = scorer(restored, **given(restored))
    assert not torch.equal(found, before)
    assert torch.equal(found, copy.deepcopy(scorer)(restored, **given(restored)))


def test_what_torch_keeps_no_count_of_is_scored_with_after_a_call_that_says_so(scorer):
    restored = images(1)
    before = scorer(restored, **given(restored))
    first_conv(scorer.network)[1].weight.data.mul_(2)
    scorer.refold()
    found = scorer(restored, **given(restored))
    assert not torch.equal(found, before)
    assert torch.equal(found, copy.deepcopy(scorer)(restored, **given(restored)))


def test_a_state_cannot_be_taken_for_an_earlier_one_in_the_same_place(scorer):
    for _ in range(20):
        held = scorer.folded
        by_parameter(scorer.network)
        assert scorer.folded is not held


def test_half_precision_keeps_the_last_layers_and_ranks_alike(scorer):
    # Trained weights and pictures that differ: random ones score noise nearly alike.
    scorer = irq.load_scorer(scorer.card.name)
    noise = torch.linspace(0, 0.3, 16).view(-1, 1, 1, 1) * images(16)
    restored = torch.nn.functional.interpolate(images(16, 6, 8), size=(100, 132), mode="bilinear") * 0.7 + noise
    full = scorer(restored, **given(restored))
    half = copy.deepcopy(scorer).bfloat16()
    assert half.dtype == torch.bfloat16
    kept = [half.network.get_submodule(name) for name in half.network.in_full_precision]
    assert {weight.dtype for part in kept for weight in part.parameters()} == {torch.float32}
    scores = half(restored, **given(restored))
    assert scores.dtype == torch.float32
    assert torch.corrcoef(torch.stack([full, scores]))[0, 1] > 0.99
    taking = restored[:2].clone().requires_grad_()
    half(taking, **given(restored[:2])).sum().backward()
    assert taking.grad.dtype == torch.float32
    assert taking.grad.abs().sum() > 0


BFLOAT16_TWO_WAYS = """
import torch
import ir_quality_plugin as irq
restored = torch.rand(1, 3, 32, 32)
whole = irq.load_scorer("ckdn-s", weights="random").bfloat16()
taking = restored.clone().requires_grad_()
whole(taking, degraded=restored.flip(3)).sum().backward()
with torch.autocast("cpu", torch.bfloat16):
    score = irq.load_scorer("ckdn-s", weights="random")(restored, degraded=restored.flip(3))
print(taking.grad.isfinite().all().item(), score.isfinite().all().item())
"""


def test_bfloat16_is_computed_on_a_processor_without_avx512_too():
    # oneDNN reads the variable when a process begins, and hides the instructions from torch.
    settings = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    run = subprocess.run([sys.executable, "-c", BFLOAT16_TWO_WAYS], env=settings, capture_output=True, text=True)
    assert run.stdout.split() == ["True", "True"], run.stderr


def test_a_score_under_autocast_has_more_than_eight_bits(scorer):
    restored = images(6)
    with torch.autocast("cpu", torch.bfloat16):
        scores = scorer(restored, **given(restored))
    assert scores.dtype == torch.float32
    assert not torch.equal(scores, scores.bfloat16().float())


def test_a_large_batch_goes_through_in_pieces_with_the_same_scores(scorer, monkeypatch):
    restored = images(5).requires_grad_()
    together = scorer(restored, **given(restored.detach()))
    (expected,) = torch.autograd.grad(together.sum(), restored)
    monkeypatch.setattr("ir_quality_plugin.scorers.scorer.PIXELS_AT_ONCE", 1)
    apart = scorer(restored, **given(restored.detach()))
    (gradient,) = torch.autograd.grad(apart.sum(), restored)
    torch.testing.assert_close(apart, together, rtol=1e-5, atol=1e-5)
    assert (gradient - expected).norm() < 1e-2 * expected.norm()


def test_a_reference_is_encoded_once_by_its_content():
    scorer = irq.load_scorer("cvrkd-s", weights="random")
    seen = []
    scorer.encode = lambda batch, groups, encode=scorer.encode: seen.append(len(batch)) or encode(batch, groups)
    restored, clean = images(), images(1, 64, 200, seed=1)
    with torch.inference_mode():
        first = scorer(restored, reference=clean)
    assert seen == [1, 2]
    taking = restored.clone().requires_grad_()
    second = scorer(taking, reference=clean.clone())
    second.sum().backward()
    assert seen == [1, 2, 2]
    torch.testing.assert_close(second, first)
    clean[..., :30, :30] = 0
    assert not torch.equal(scorer(restored, reference=clean), first)


def test_a_remembered_reference_is_forgotten_with_the_weights():
    scorer = irq.load_scorer("cvrkd-s", weights="random")
    restored, clean = images(), images(1, seed=1)
    scorer(restored, reference=clean)
    with torch.no_grad():
        for weight in scorer.network.backbone.parameters():
            weight.mul_(1.1)
    torch.testing.assert_close(scorer(restored, reference=clean), copy.deepcopy(scorer)(restored, reference=clean))


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("ir_quality_plugin.scorers.cvrkd.KEPT_BYTES", 100_000)
    scorer = irq.load_scorer("cvrkd-s", weights="random")
    for seed in range(8):
        scorer(images(1, 96, 96), reference=images(1, 96, 96, seed=seed))
    assert 0 < sum(tensor.nbytes for tensor in scorer._remembered[1].values()) <= 100_000


def test_what_is_remembered_is_bounded_whatever_the_sizes(monkeypatch):
    scorer = irq.load_scorer("cvrkd-s", weights="random")
    clean = images(1, 96, 96)
    scorer(images(1, 300, 300), reference=clean)
    (large,) = (tensor.nbytes for tensor in scorer._remembered[1].values())
    monkeypatch.setattr("ir_quality_plugin.scorers.cvrkd.KEPT_BYTES", large)
    scorer(images(1, 96, 96), reference=clean)
    (small,) = (tensor.nbytes for tensor in scorer._remembered[1].values())
    assert small < large
    scorer(images(1, 300, 300), reference=clean)
    assert [tensor.nbytes for tensor in scorer._remembered[1].values()] == [large]


def test_a_reference_is_encoded_anew_for_whatever_it_is_seen_otherwise():
    scorer = irq.load_scorer("cvrkd-s")
    restored, clean = images(1, 96, 120), images(1, 64, 200, seed=1)

    def check(restored, clean):
        found = scorer(restored, reference=clean)
        torch.testing.assert_close(found, copy.deepcopy(scorer)(restored, reference=clean), rtol=0, atol=0)

    check(restored, clean)
    check(images(1, 300, 300), clean)  # more groups of patches
    check(restored, clean.reshape(1, 3, 200, 64))  # the same bytes
    with torch.autocast("cpu", torch.bfloat16):
        check(restored, clean)
    check(restored, clean)
    scorer.protocol = "released"
    check(restored, clean)


@pytest.mark.parametrize("taking", [False, True])
@pytest.mark.parametrize("half", [False, True], ids=["autocast", "bfloat16"])
def test_pixels_are_normalised_and_scores_made_in_float32(scorer, half, taking):
    scorer = scorer.bfloat16() if half else scorer
    seen = {}
    for name in scorer.network.in_full_precision:
        for place, module in scorer.folded.get_submodule(name).named_modules():
            if not list(module.children()):
                module.register_forward_hook(
                    lambda _, inputs, output, place=f"{name}.{place}": seen.update(
                        {place: {inputs[0].dtype, output.dtype}}
                    )
                )
    scorer.normalise.register_forward_hook(
        lambda _, inputs, output: seen.update(normalise={inputs[0].dtype, output.dtype})
    )
    restored = images(2).requires_grad_(taking)
    with torch.autocast("cpu", torch.bfloat16, enabled=not half):
        scorer(restored, **given(restored.detach()))
    assert len(seen) > 1
    assert all(values.dtype == torch.float32 for values in scorer.normalise.buffers())
    assert all(dtypes == {torch.float32} for dtypes in seen.values()), seen


@pytest.mark.parametrize("taking", [False, True])
def test_no_more_rows_than_fit_into_the_cache_are_computed_together(scorer, taking, monkeypatch):
    monkeypatch.setattr("ir_quality_plugin.scorers.scorer.PIXELS_AT_ONCE", 1)
    rows = []
    conv = next(module for module in scorer.folded.modules() if isinstance(module, FoldedConv))
    conv.register_forward_hook(lambda _, inputs, output: rows.append(len(inputs[0])))
    restored = images(3).requires_grad_(taking)
    scorer(restored, **given(restored.detach()))
    assert len(rows) >= 3
    assert set(rows) == {1}
