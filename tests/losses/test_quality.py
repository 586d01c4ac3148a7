"""The quality term: its formula, its bound, its balance, and its safety in any training."""

import copy

import pytest
import torch
from torch import nn

import ir_quality_plugin as irq
from ir_quality_plugin.losses.functional import inside, shortfall

KINDS = {"teacheriqa-s": {}, "ckdn-s": {"degraded": 4}, "cvrkd-s": {"reference": 1}}


@pytest.fixture(scope="module", params=KINDS)
def scorer(request):
    return irq.load_scorer(request.param, weights="random")


@pytest.fixture(scope="module")
def ckdn():
    return irq.load_scorer("ckdn-s", weights="random")


def images(seed=0, batch=2, size=96):
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(seed))


GIVEN = {"degraded": images(1), "reference": images(2)}


def test_the_term_is_the_shortfall_of_the_score_in_units_of_its_range(scorer):
    restored = images()
    lowest, highest = scorer.card.score_range
    expected = (highest - scorer(restored, **GIVEN)) / (highest - lowest)
    loss = irq.QualityLoss(scorer, reduction="none")
    torch.testing.assert_close(loss(restored, **GIVEN), expected)
    torch.testing.assert_close(irq.QualityLoss(scorer)(restored, **GIVEN), expected.mean())
    torch.testing.assert_close(irq.QualityLoss(scorer, 0.3, "sum")(restored, **GIVEN), 0.3 * expected.sum())


def test_minimising_improves_the_score_and_reaches_the_pixels_alone(scorer):
    restored = images().requires_grad_()
    given = {name: guide.clone().requires_grad_() for name, guide in GIVEN.items()}
    loss = irq.QualityLoss(scorer)
    loss(restored, **given).backward()
    assert restored.grad.isfinite().all()
    assert restored.grad.abs().sum() > 0
    assert all(guide.grad is None for guide in given.values())
    assert all(weight.grad is None for weight in scorer.network.parameters())
    stepped = (restored - 1e-3 * restored.grad / restored.grad.abs().max()).detach()
    assert scorer(stepped, **GIVEN).mean() > scorer(restored.detach(), **GIVEN).mean()


def test_no_statistic_moves_in_training_mode(scorer):
    before = copy.deepcopy(scorer.network.state_dict())
    model = nn.Sequential(irq.QualityLoss(scorer)).train()
    model[0](images(), **GIVEN)
    assert all(torch.equal(tensor, before[name]) for name, tensor in scorer.network.state_dict().items())
    assert not any("scorer" in name for name in model.state_dict())


def test_shortfall_by_hand():
    score = torch.tensor([1.0, 3.0, 4.5])
    assert shortfall(score, (1.0, 5.0)).tolist() == [1.0, 0.5, 0.125]
    assert shortfall(score, (1.0, 5.0), 4.0).tolist() == [0.75, 0.25, 0.0]
    assert shortfall(score, (1.0, 5.0), torch.tensor([2.0, 2.0, 5.0])).tolist() == [0.25, 0.0, 0.125]


def test_shortfall_has_the_right_gradient():
    score = torch.tensor([0.2, 0.4, 0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: shortfall(s, (0.0, 2.0)), score)
    assert torch.autograd.gradcheck(lambda s: shortfall(s, (0.0, 2.0), 0.5), score)


def test_clamping_never_pushes_a_pixel_out_and_always_lets_it_back():
    pixels = torch.tensor([[[[-0.2, 0.5, 1.2]]]], requires_grad=True)
    assert inside(pixels).flatten().tolist() == [0, 0.5, 1]
    for sign, expected in ((1, [0, 1, 1]), (-1, [-1, -1, 0])):
        (gradient,) = torch.autograd.grad(inside(pixels).sum() * sign, pixels)
        assert gradient.flatten().tolist() == expected


def test_any_finite_overshoot_is_scored_as_if_clamped(ckdn):
    restored = images() * 8 - 4
    loss = irq.QualityLoss(ckdn)
    torch.testing.assert_close(loss(restored, **GIVEN), loss(restored.clamp(0, 1), **GIVEN))


def test_the_term_stops_paying_at_the_clean_images_own_score(ckdn):
    loss = irq.QualityLoss(ckdn, ceiling="reference", reduction="none")
    restored, clean, degraded = images().requires_grad_(), images(2), images(1)
    term = loss(restored, degraded=degraded, reference=clean)
    expected = (ckdn(clean, degraded) - ckdn(restored, degraded)).relu()
    torch.testing.assert_close(term, expected)
    loss(clean.requires_grad_(), degraded=degraded, reference=clean).sum().backward()
    assert clean.grad.abs().sum() == 0


def test_the_term_stops_paying_at_a_stated_score(ckdn):
    score = ckdn(images(), **GIVEN).max().item()
    restored = images().requires_grad_()
    reached = irq.QualityLoss(ckdn, ceiling=score - 0.1)(restored, **GIVEN)
    assert reached == 0
    reached.backward()
    assert restored.grad.abs().sum() == 0
    assert irq.QualityLoss(ckdn, ceiling=score + 0.1)(restored, **GIVEN) > 0


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("ratio", [0.1, 3.0])
def test_balance_makes_the_gradients_ratio_at_the_restored_image_what_was_asked(scorer, ratio, reduction):
    generator = nn.Conv2d(3, 3, 3, padding=1)
    restored = generator(images())
    restored.retain_grad()
    fidelity = nn.functional.l1_loss(restored, images(2)) * 7
    loss = irq.QualityLoss(scorer, balance=ratio, reduction=reduction)
    term = loss(restored, **GIVEN, fidelity=fidelity)
    (of_fidelity,) = torch.autograd.grad(fidelity, restored, retain_graph=True)
    (of_term,) = torch.autograd.grad(term, restored, retain_graph=True)
    assert of_term.norm() / of_fidelity.norm() == pytest.approx(ratio, rel=1e-4)
    (fidelity + term).backward()
    assert generator.weight.grad.isfinite().all()
    assert loss.log["factor"] > 0


def test_balance_gives_the_scorers_own_direction(ckdn):
    restored = images().requires_grad_()
    plain = irq.QualityLoss(ckdn)(restored, **GIVEN)
    (expected,) = torch.autograd.grad(plain, restored)
    fidelity = (restored - images(2)).abs().mean()
    balanced = irq.QualityLoss(ckdn, balance=0.5)(restored, **GIVEN, fidelity=fidelity)
    (gradient,) = torch.autograd.grad(balanced, restored)
    cosine = nn.functional.cosine_similarity(gradient.flatten(), expected.flatten(), dim=0)
    assert cosine == pytest.approx(1, abs=1e-5)


def test_the_balance_is_smoothed_over_calls(ckdn):
    loss = irq.QualityLoss(ckdn, balance=1.0, balance_momentum=0.75)
    factors = []
    for weight in (1.0, 5.0):
        restored = images().requires_grad_()
        loss(restored, **GIVEN, fidelity=weight * (restored - images(2)).abs().mean())
        factors.append(loss.log["factor"].item())
    assert factors[1] / factors[0] == pytest.approx(0.75 + 0.25 * 5, rel=1e-4)


def test_balance_without_its_fidelity_term_says_so(ckdn):
    loss = irq.QualityLoss(ckdn, balance=0.1)
    restored = images().requires_grad_()
    with pytest.raises(irq.MissingInputError, match=r"misses fidelity: balance is measured"):
        loss(restored, **GIVEN)
    with pytest.raises(irq.UsageError, match="does not depend on this restored image"):
        loss(restored, **GIVEN, fidelity=images(3).mean())
    with pytest.raises(irq.UsageError, match="expected a scalar"):
        loss(restored, **GIVEN, fidelity=restored.mean(dim=0))
    with torch.no_grad():
        assert loss(restored, **GIVEN) > 0


def test_an_exact_resume_needs_the_saved_state_alone(ckdn):
    def steps(loss, count):
        terms = []
        for _ in range(count):
            restored = images().requires_grad_()
            terms.append(loss(restored, **GIVEN, fidelity=(restored - images(2)).abs().mean()).item())
        return terms

    options = {"balance": 0.2, "warmup_iter": 6, "flip": True, "shift_px": 5, "seed": 3}
    whole = steps(irq.QualityLoss(ckdn, **options), 5)
    first, second = irq.QualityLoss(ckdn, **options), irq.QualityLoss(ckdn, **options)
    begun = steps(first, 2)
    second.load_state_dict(first.state_dict())
    assert begun + steps(second, 3) == whole


def test_warm_up_raises_the_weight_linearly(ckdn):
    loss = irq.QualityLoss(ckdn, 2.0, warmup_iter=4)
    full = irq.QualityLoss(ckdn, 2.0)(images(), **GIVEN)
    terms = torch.stack([loss(images(), **GIVEN) for _ in range(6)])
    torch.testing.assert_close(terms / full, torch.tensor([0.25, 0.5, 0.75, 1, 1, 1]))


def test_views_are_random_seeded_and_the_same_for_all_images(ckdn):
    options = {"flip": True, "shift_px": 9, "crop_px": 64, "seed": 1}
    first, second = irq.QualityLoss(ckdn, **options), irq.QualityLoss(ckdn, **options)
    terms = [first(images(), **GIVEN).item() for _ in range(6)]
    assert terms == [second(images(), **GIVEN).item() for _ in range(6)]
    assert len(set(terms)) > 3
    shown = first.augment.view(4, {"restored": images(), "degraded": images()})
    assert shown["restored"].shape[-2:] == (64, 64)
    assert torch.equal(shown["restored"], shown["degraded"])
    same = irq.QualityLoss(ckdn, ceiling="reference", **options)
    assert same(images(), degraded=images(1), reference=images()) == 0


def test_a_view_larger_than_the_image_is_refused(ckdn):
    with pytest.raises(irq.ImageError, match=r"96x96 pixels.*crop_px=200"):
        irq.QualityLoss(ckdn, crop_px=200)(images(), **GIVEN)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_nan_and_inf_raise_or_are_skipped_and_counted(ckdn, value):
    restored = images()
    restored[1, 0, 3, 4] = value
    restored.requires_grad_()
    with pytest.raises(irq.ImageError, match="NaN or Inf"):
        irq.QualityLoss(ckdn)(restored, **GIVEN)
    loss = irq.QualityLoss(ckdn, nonfinite="skip")
    term = loss(restored, **GIVEN)
    assert term == 0
    term.backward()
    assert restored.grad.abs().sum() == 0
    assert loss.log["skipped"] == 1
    loss(images(), **GIVEN)
    assert loss.log["skipped"] == 1


@pytest.mark.parametrize("balance", [None, 0.1])
def test_autocast_does_not_change_the_term(ckdn, balance):
    loss = irq.QualityLoss(ckdn, balance=balance)
    generator = nn.Conv2d(3, 3, 1)
    with torch.autocast("cpu", torch.bfloat16):
        restored = generator(images())
        fidelity = (restored - images(2)).abs().mean()
        term = loss(restored, **GIVEN, fidelity=fidelity)
    assert restored.dtype == torch.bfloat16
    assert term.dtype == torch.float32
    term.backward()
    assert generator.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("balance", [None, 1.0])
def test_a_gradient_scale_passes_through_half_precision_without_underflow(ckdn, balance):
    restored = images().half().requires_grad_()
    fidelity = (restored.float() - images(2)).abs().mean()
    term = irq.QualityLoss(ckdn, balance=balance)(restored, **GIVEN, fidelity=fidelity)
    (scaled,) = torch.autograd.grad(term * 2.0**14, restored)
    full = images().half().float().requires_grad_()
    fidelity = (full - images(2)).abs().mean()
    (expected,) = torch.autograd.grad(irq.QualityLoss(ckdn, balance=balance)(full, **GIVEN, fidelity=fidelity), full)
    relative = (scaled.float() / 2.0**14 - expected).norm() / expected.norm()
    assert relative < 1e-2  # eleven bits of a half-precision gradient


def test_what_is_missing_is_named_with_the_call_that_works(ckdn):
    with pytest.raises(irq.MissingInputError, match=r"misses degraded: .*loss\(restored, degraded=degraded\)"):
        irq.QualityLoss(ckdn)(images())
    with pytest.raises(
        irq.MissingInputError, match=r"misses reference: ceiling='reference' scores the clean image too"
    ):
        irq.QualityLoss(ckdn, ceiling="reference")(images(), degraded=images())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss_weight": -1.0}, "minimising the term already means better"),
        ({"loss_weight": "1e-4"}, "expected a number; in YAML"),
        ({"loss_weight": float("nan")}, "expected a number"),
        ({"reduction": "median"}, "reduction='median'; expected one of 'none', 'mean', 'sum'"),
        ({"ceiling": "gt"}, "ceiling='gt'; expected one of 'reference'"),
        ({"nonfinite": "ignore"}, "nonfinite='ignore'"),
        ({"balance": 0.0}, "balance=0.0; expected a ratio above 0"),
        ({"balance": 0.1, "loss_weight": 0.5}, "balance is the weight"),
        ({"balance": 0.1, "balance_momentum": 1.0}, "balance_momentum=1.0"),
        ({"shift_px": -1}, "shift_px=-1"),
        ({"weights": "random"}, "pass them to load_scorer"),
    ],
)
def test_impossible_options_are_refused_before_any_training(ckdn, options, message):
    with pytest.raises(irq.UsageError, match=message):
        irq.QualityLoss(ckdn, **options)


def test_a_scorer_given_by_name_is_loaded_with_its_options():
    loss = irq.QualityLoss("cvrkd-s", weights="random", patches=8, full_reference=True)
    assert loss.scorer.patches == 8
    assert loss.needs == {"reference"}


@pytest.mark.parametrize(
    ("name", "options", "reads"),
    [
        ("ckdn-s", {}, 1),
        ("ckdn-s", {"ceiling": "reference", "balance": 0.1}, 1),
        ("teacheriqa-s", {"ceiling": "reference"}, 1),
        ("cvrkd-s", {"ceiling": "reference"}, 2),  # the values, and the digests of all references
    ],
)
def test_a_device_is_waited_for_once_a_call_and_once_more_for_references(name, options, reads, monkeypatch):
    loss, restored = irq.QualityLoss(name, weights="random", **options), images(batch=4).requires_grad_()
    given = {"degraded": images(1, 4), "reference": images(2, 4)}

    def compute():
        fidelity = {"fidelity": (restored - 0.5).abs().mean()} if "balance" in options else {}
        return loss(restored, **given, **fidelity)

    compute()  # the first measurement of the balance asks whether it is usable
    waits = []
    for read in ("item", "tolist", "cpu", "__bool__", "__float__", "__int__", "nonzero"):
        plain = getattr(torch.Tensor, read)

        def counted(tensor, *args, plain=plain, read=read):
            waits.append(read)
            return plain(tensor, *args)

        monkeypatch.setattr(torch.Tensor, read, counted)
    compute()
    assert len(waits) == reads, waits


def test_a_small_guide_of_another_range_is_refused_as_it_was_given(ckdn):
    with pytest.raises(irq.ImageError, match=r"degraded spans .*divide by 255"):
        irq.QualityLoss(ckdn)(images(), degraded=255 * images(1, size=48))
    with pytest.raises(irq.ImageError, match=r"reference spans .*divide by 255"):
        irq.QualityLoss(ckdn, ceiling="reference")(images(), degraded=images(1), reference=255 * images(2))
