"""What every scorer promises; the compact networks stand for the published ones of the same class."""

import copy

import pytest
import torch
from torch import nn

import ir_quality_plugin as irq
from ir_quality_plugin.nn.pixels import mirror_to

NAMES = ["teacheriqa-s", "ckdn-s", "cvrkd-s"]


@pytest.fixture(scope="module", params=NAMES)
def scorer(request):
    """Frozen, so it can serve all tests of the module."""
    torch.manual_seed(0)
    return irq.load_scorer(request.param, weights="random")


def images(batch=2, height=100, width=132, seed=0):
    """Images that differ in contrast, so that their scores differ by far more than any tolerance here."""
    noise = torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))
    return noise ** torch.tensor([0.2, 1.0, 4.0, 0.5])[:batch].view(-1, 1, 1, 1)


def test_the_scores_that_are_compared_here_differ_by_far_more_than_the_tolerances(scorer):
    restored = images(4)
    assert scorer(restored, **guides(restored)).std() > 1e-3


def guides(restored, seed=1):
    """All that any scorer may need, so that every scorer is called alike."""
    degraded = images(*restored.shape[:1], *restored.shape[2:], seed=seed)
    return {"degraded": degraded, "reference": degraded.flip(0)}


def test_a_score_a_sample_in_float32_on_the_device_of_the_images(scorer):
    restored = images(3)
    score = scorer(restored, **guides(restored))
    assert score.shape == (3,)
    assert score.dtype == torch.float32
    assert score.device == restored.device
    assert score.unique().numel() == 3


def test_a_score_does_not_depend_on_the_batch_or_its_order(scorer):
    restored = images(4)
    given = guides(restored)
    together = scorer(restored, **given)
    order = torch.tensor([2, 0, 3, 1])
    shuffled = scorer(restored[order], **{name: guide[order] for name, guide in given.items()})
    alone = torch.cat(
        [scorer(restored[i : i + 1], **{name: guide[i : i + 1] for name, guide in given.items()}) for i in range(4)]
    )
    torch.testing.assert_close(shuffled, together[order], rtol=0, atol=1e-5)
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-5)


def test_gradients_reach_every_pixel_and_never_a_weight(scorer):
    restored = images(2, 150, 211).requires_grad_()
    scorer(restored, **guides(restored)).sum().backward()
    assert restored.grad.isfinite().all()
    untouched = (restored.grad.abs().amax(dim=1) == 0).float().mean()
    assert untouched < 0.01  # a ReLU or a max-pool may shut single pixels out
    assert all(weight.grad is None and not weight.requires_grad for weight in scorer.network.parameters())


def test_a_step_along_the_gradient_raises_the_score(scorer):
    restored = images(1).requires_grad_()
    given = guides(restored)
    before = scorer(restored, **given)
    (gradient,) = torch.autograd.grad(before.sum(), restored)
    after = scorer((restored + 1e-3 * gradient / gradient.abs().max()).detach(), **given)
    assert after > before


def test_no_gradient_is_kept_for_the_guide_unless_it_asks(scorer):
    if scorer.needs is None:
        pytest.skip("no reference")
    restored = images(1)
    given = {name: guide.requires_grad_() for name, guide in guides(restored).items()}
    scorer(restored, **given).sum().backward()
    assert given[scorer.needs].grad.abs().sum() > 0
    with torch.no_grad():
        assert not scorer(restored.requires_grad_(), **given).requires_grad


def test_the_same_call_gives_the_same_score(scorer):
    restored = images(2, 300, 250)
    given = guides(restored)
    assert torch.equal(scorer(restored, **given), scorer(restored, **given))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 97), (96, 400), (257, 129)])
def test_any_size_from_the_minimum_is_scored(scorer, height, width):
    restored = images(1, height, width)
    assert scorer(restored, **guides(restored)).isfinite().all()


def test_below_the_minimum_is_an_error_with_the_way_out(scorer):
    restored = images(1, 31, 64)
    with pytest.raises(irq.ImageError, match=r"31x64 pixels.*at least 32x32.*larger crop"):
        scorer(restored, **guides(restored))


class Parent(nn.Module):
    """A model of somebody's that carries a scorer, as a loss does."""

    def __init__(self, scorer):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)
        self.scorer = scorer


def test_a_parent_cannot_train_save_count_or_reinitialise_the_network(scorer):
    before = {name: tensor.clone() for name, tensor in scorer.network.state_dict().items()}
    parent = Parent(scorer)
    parent.train().requires_grad_(True).zero_grad()
    parent.apply(lambda module: nn.init.zeros_(module.weight) if hasattr(module, "weight") else None)
    restored = images()
    parent.scorer(restored, **guides(restored))
    assert not any(module.training for module in scorer.network.modules())
    assert not scorer.training
    assert not any(weight.requires_grad for weight in scorer.network.parameters())
    assert set(parent.state_dict()) == {"layer.weight", "layer.bias"}
    assert len(list(parent.parameters())) == 2
    assert not list(scorer.buffers())
    assert all(torch.equal(tensor, before[name]) for name, tensor in scorer.network.state_dict().items())


def test_the_network_follows_its_parent_to_a_dtype_and_stays_frozen(scorer):
    parent = Parent(copy.deepcopy(scorer))
    parent.double()
    restored = images().double()
    score = parent.scorer(restored, **{name: guide.double() for name, guide in guides(restored).items()})
    assert parent.scorer.dtype == torch.float64
    assert score.dtype == torch.float64
    assert not any(weight.requires_grad for weight in parent.scorer.network.parameters())
    assert scorer.dtype == torch.float32


def test_a_copy_scores_alike(scorer):
    restored = images()
    given = guides(restored)
    assert torch.equal(copy.deepcopy(scorer)(restored, **given), scorer(restored, **given))


def test_half_precision_images_are_scored_in_the_networks_precision(scorer):
    restored = images()
    given = guides(restored)
    half = scorer(restored.bfloat16(), **{name: guide.bfloat16() for name, guide in given.items()})
    assert half.dtype == torch.float32
    torch.testing.assert_close(
        half, scorer(restored.bfloat16().float(), **{k: v.bfloat16().float() for k, v in given.items()})
    )


def test_autocast_and_channels_last_give_the_same_score_within_their_precision(scorer):
    restored = images(4)
    given = guides(restored)
    score = scorer(restored, **given)
    last = copy.deepcopy(scorer).to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(restored, **given), score, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        cast = scorer(restored, **given)
    assert cast.dtype == torch.float32
    # Eight bits of mantissa through the whole network; its last layers are exact, so scores stay apart.
    assert (cast - score).abs().max() < 0.4 * (score.max() - score.min())
    assert torch.corrcoef(torch.stack([cast, score]))[0, 1] > 0.98


@pytest.mark.slow
def test_compiles_whole_with_the_same_score_and_gradient(scorer):
    # In float64: in float32 the order of a sum decides whether a ReLU at zero opens, and with it single pixels.
    scorer = copy.deepcopy(scorer).double()
    restored = images().double().requires_grad_()
    given = guides(restored)
    compiled = torch.compile(copy.deepcopy(scorer), fullgraph=True)
    found, expected = compiled(restored, **given), scorer(restored, **given)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)
    gradient, plain = (torch.autograd.grad(score.sum(), restored)[0] for score in (found, expected))
    torch.testing.assert_close(gradient, plain, rtol=0, atol=1e-8 * plain.abs().max().item())
    with torch.no_grad():
        single = compiled.float()(restored.float(), **guides(restored.float()))
    torch.testing.assert_close(single, expected.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("protocol", ["default", "released"])
@pytest.mark.parametrize("name", NAMES)
def test_a_compiled_scorer_takes_images_of_any_size_and_number(name, protocol):
    scorer = irq.load_scorer(name, weights="random", protocol=None if protocol == "default" else protocol)
    torch._dynamo.reset()
    compiled = torch.compile(scorer, fullgraph=True, backend="eager")
    for batch, height, width in ((2, 100, 132), (3, 100, 132), (3, 120, 150), (1, 96, 96), (2, 250, 200)):
        restored = images(batch, height, width)
        given = {"degraded": restored.flip(3), "reference": images(batch, height + 10, width, seed=2)}
        torch.testing.assert_close(compiled(restored, **given), scorer(restored, **given))


BAD = {
    "uint8": (lambda batch: (batch * 255).byte(), r"torch.uint8; expected floating point.*255"),
    "0 to 255": (lambda batch: batch * 255, r"expected \[0,1\]; divide by 255"),
    "normalised": (lambda batch: (batch - 0.45) / 0.22, r"expected \[0,1\]"),
    "NaN": (lambda batch: batch.index_fill(3, torch.tensor([4]), torch.nan), r"NaN or Inf"),
    "Inf": (lambda batch: batch.index_fill(3, torch.tensor([4]), torch.inf), r"NaN or Inf"),
    "grey": (lambda batch: batch[:, :1], r"1 channels; expected 3 .*expand"),
    "alpha": (lambda batch: torch.cat([batch, batch[:, :1]], 1), r"4 channels; expected 3"),
    "one image": (lambda batch: batch[0], r"expected \(B,3,H,W\); add the batch axis"),
    "empty": (lambda batch: batch[:0], r"empty batch"),
    "an array": (lambda batch: batch.numpy(), r"ndarray; expected a float tensor"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_restored_images_are_refused_with_the_way_out(scorer, kind):
    spoil, message = BAD[kind]
    restored = images()
    with pytest.raises(irq.ImageError, match=message):
        scorer(spoil(restored), **guides(restored))


@pytest.mark.parametrize("kind", BAD)
def test_bad_guides_are_refused_by_name(scorer, kind):
    if scorer.needs is None:
        pytest.skip("no reference")
    spoil, message = BAD[kind]
    restored = images()
    given = guides(restored)
    given[scorer.needs] = spoil(given[scorer.needs])
    with pytest.raises(irq.ImageError, match=message) as caught:
        scorer(restored, **given)
    assert str(caught.value).startswith(scorer.needs)


def test_a_missing_guide_is_named(scorer):
    if scorer.needs is None:
        assert scorer(images()).shape == (2,)
        return
    with pytest.raises(irq.MissingInputError, match=rf"restored alone; expected {scorer.needs}="):
        scorer(images())
    other = {"degraded": "reference", "reference": "degraded"}[scorer.needs]
    with pytest.raises(irq.MissingInputError, match=rf"was given {other}; expected {scorer.needs}="):
        scorer(images(), **{other: images()})


def test_overshoot_of_a_network_in_training_is_scored(scorer):
    restored = images() * 1.4 - 0.2
    assert scorer(restored, **guides(restored)).isfinite().all()


def test_a_network_on_another_device_is_an_error(scorer):
    restored = images().to("meta")
    with pytest.raises(irq.ImageError, match=r"restored is on meta, the scorer on cpu"):
        scorer(restored, **guides(restored))


def test_an_image_below_the_patch_is_scored_as_its_mirrored_extension():
    scorer = irq.load_scorer("teacheriqa-s", weights="random")
    small = images(1, 40, 70)
    torch.testing.assert_close(scorer(small), scorer(mirror_to(small, 96, 96)))
