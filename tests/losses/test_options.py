"""The losses of the option files: each takes its kind of scorer, and CVRKD's draws its references."""

import numpy as np
import pytest
import torch
from PIL import Image

import ir_quality_plugin as irq
from ir_quality_plugin.data.reference_bank import ReferenceBank

KINDS = {
    irq.NoReferenceQualityLoss: "teacheriqa-s",
    irq.DegradedReferenceQualityLoss: "ckdn-s",
    irq.ContentVariantQualityLoss: "cvrkd-s",
}


@pytest.fixture
def clean(tmp_path):
    draw = np.random.RandomState(0)
    for index in range(5):
        pixels = draw.randint(0, 256, (96, 110 + index, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"clean_{index}.png")
    return tmp_path


def build(kind, clean, **options):
    first = {"references": clean} if kind is irq.ContentVariantQualityLoss else {}
    return kind(**first, weights="random", **options)


def images(seed=0):
    return torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_each_has_its_scorer_by_default_and_one_step_improves_it(kind, clean):
    loss = build(kind, clean)
    assert loss.scorer.card.name == KINDS[kind]
    restored = images().requires_grad_()
    term = loss(restored, degraded=images(1))
    term.backward()
    stepped = (restored - 2e-2 * restored.grad / restored.grad.abs().max()).detach()
    loss.calls = 0
    assert loss(stepped, degraded=images(1)) < term


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS.values())
def test_a_scorer_of_another_kind_is_refused_with_the_right_loss(kind, other, clean):
    if other == KINDS[kind]:
        return
    right = next(loss for loss, name in KINDS.items() if name == other).__name__
    with pytest.raises(irq.UsageError, match=f"{kind.__name__} was given {other}.*use {right}"):
        build(kind, clean, scorer=other)


def test_references_are_drawn_reproducibly_and_each_once_an_epoch(clean):
    first, second = ReferenceBank(clean, seed=4), ReferenceBank(clean, seed=4)
    widths = [first.draw(call).shape[-1] for call in range(10)]
    assert widths == [second.draw(call).shape[-1] for call in range(10)]
    assert sorted(widths[:5]) == sorted(widths[5:]) == [110, 111, 112, 113, 114]
    assert widths != [ReferenceBank(clean, seed=5).draw(call).shape[-1] for call in range(10)]


def test_the_content_variant_term_is_the_scorers_against_the_drawn_image(clean):
    loss = irq.ContentVariantQualityLoss(clean, weights="random", seed=2)
    reference = ReferenceBank(clean, 2).draw(1)
    expected = 1 - loss.scorer(images(), reference=reference).mean()
    assert loss.needs == set()
    torch.testing.assert_close(loss(images()), expected)
    bounded = irq.ContentVariantQualityLoss(clean, weights="random", seed=2, ceiling="reference", reduction="none")
    assert bounded.needs == {"reference"}
    target = images(1)
    score = [bounded.scorer(batch, reference=reference) for batch in (target, images())]
    torch.testing.assert_close(bounded(images(), reference=target), (score[0] - score[1]).relu())


def test_a_folder_that_holds_no_references_is_refused(tmp_path):
    with pytest.raises(irq.UsageError, match="is no folder"):
        irq.ContentVariantQualityLoss(tmp_path / "missing", weights="random")
    with pytest.raises(irq.UsageError, match="holds no image"):
        irq.ContentVariantQualityLoss(tmp_path, weights="random")
