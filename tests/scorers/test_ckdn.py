"""What is CKDN's own: the degraded input of any whole factor, the two protocols, the full-reference setting."""

import copy

import pytest
import torch
from torch.nn import functional

import ir_quality_plugin as irq
from ir_quality_plugin.scorers import ckdn


@pytest.fixture(scope="module")
def scorer():
    return irq.load_scorer("ckdn-s", weights="random")


def images(height=96, width=128, batch=2, seed=0):
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_degraded_image_smaller_by_a_whole_factor_is_enlarged_bicubically(scorer, factor):
    restored, degraded = images(96, 144), images(96 // factor, 144 // factor, seed=1)
    enlarged = functional.interpolate(degraded, scale_factor=factor, mode="bicubic").clamp(0, 1)
    torch.testing.assert_close(scorer(restored, degraded), scorer(restored, enlarged))


@pytest.mark.parametrize("size", [(64, 96), (48, 128), (192, 256), (95, 128)])
def test_a_degraded_image_of_no_whole_factor_is_refused(scorer, size):
    with pytest.raises(irq.ImageError, match=rf"degraded is {size[0]}x{size[1]} and restored 96x128"):
        scorer(images(), images(*size))


def test_as_many_degraded_as_restored_images_are_expected(scorer):
    with pytest.raises(irq.ImageError, match="degraded holds 1 images and restored 2"):
        scorer(images(), images(batch=1))


def test_the_score_uses_the_degraded_input(scorer):
    restored = images()
    assert not torch.equal(scorer(restored, restored), scorer(restored, images(seed=1)))


def test_the_whole_image_counts_where_the_released_protocol_sees_its_centre():
    whole = irq.load_scorer("ckdn-s", weights="random")
    released = irq.load_scorer("ckdn-s", weights="random", protocol="released")
    restored, degraded = images(64, 192, 1).requires_grad_(), images(64, 192, 1, seed=1)
    seen = {}
    for scorer in (whole, released):
        (gradient,) = torch.autograd.grad(scorer(restored, degraded).sum(), restored)
        seen[scorer.protocol] = (gradient.abs().amax(dim=(0, 1, 2)) > 0).float().mean().item()
    assert seen["whole"] == 1
    assert 0.25 < seen["released"] < 0.4  # 288 of 987 columns, and the reach of the bicubic filter


def test_full_reference_judges_against_the_aligned_clean_image(scorer):
    full = irq.load_scorer("ckdn-s", weights="random", full_reference=True)
    restored, clean = images(), images(seed=1)
    assert full.needs == "reference"
    torch.testing.assert_close(full(restored, reference=clean), scorer(restored, degraded=clean))
    with pytest.raises(irq.ImageError, match=r"expected the same shape: ckdn-s compares aligned images"):
        full(restored, reference=images(48, 64))


@pytest.mark.parametrize(("height", "width"), [(200, 331), (129, 64), (64, 190)])
@pytest.mark.parametrize("name", ["ckdn", "ckdn-s"])
def test_a_large_image_has_the_score_of_the_whole(name, height, width, monkeypatch):
    scorer = irq.load_scorer(name, weights="random")
    restored, degraded = (
        torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)
    )
    degraded = (0.3 * degraded + 0.7 * restored).clamp(0, 1)
    with torch.inference_mode():
        whole = scorer(restored, degraded)
        monkeypatch.setattr(ckdn, "LARGE_PX", 0)
        monkeypatch.setattr(ckdn, "SQUARE_PX", 64)
        torch.testing.assert_close(scorer(restored, degraded), whole, rtol=0, atol=1e-6)
        monkeypatch.setattr(ckdn, "_reach", lambda *_: 8)
        assert (scorer(restored, degraded) - whole).abs().max() > 1e-6


def test_a_large_image_keeps_its_gradient(monkeypatch):
    scorer = irq.load_scorer("ckdn-s", weights="random")
    monkeypatch.setattr(ckdn, "LARGE_PX", 0)
    monkeypatch.setattr(ckdn, "SQUARE_PX", 64)
    restored = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0)).requires_grad_()
    scorer(restored, torch.rand(1, 3, 96, 96)).sum().backward()
    assert bool((restored.grad != 0).any())


@pytest.mark.parametrize("protocol", ["whole", "released"])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_scores_in_pieces_are_the_networks_own_with_a_gradient_and_without(scorer, protocol, precision, monkeypatch):
    monkeypatch.setattr("ir_quality_plugin.scorers.scorer.PIXELS_AT_ONCE", 2 * 96 * 128)
    asked = ckdn.CKDNScorer(copy.deepcopy(scorer.network), scorer.card, protocol).to(precision)
    restored, degraded = images(batch=5, seed=3), images(batch=5, seed=4)
    restored *= torch.linspace(0.2, 1, 5).view(-1, 1, 1, 1)
    prepared = (asked._prepare(restored, "bicubic"), asked._prepare(degraded, "nearest"))
    expected = asked.network(*prepared).degraded_reference.score
    close = {"rtol": 0, "atol": 1e-6 if precision == torch.float32 else 5e-3}
    given = [images.clone() for images in (restored, degraded)]
    torch.testing.assert_close(asked(*given), expected, **close)
    assert all(torch.equal(one, other) for one, other in zip(given, (restored, degraded), strict=True))
    pixels = restored.clone().requires_grad_()
    scores = asked(pixels, degraded)
    torch.testing.assert_close(scores.detach(), expected, **close)
    scores.sum().backward()
    assert pixels.grad.flatten(1).abs().sum(dim=1).min() > 0
