"""What each scorer is trained with: phases, parts, who takes a gradient, and what is refused."""

import pytest
import torch
from torch.nn.functional import l1_loss, mse_loss

import ir_quality_plugin as irq
from ir_quality_plugin.losses.judged import a_patch
from ir_quality_plugin.losses.opinion import (
    AlignedOpinionLoss,
    ConditionalDistillationLoss,
    ContentVariantDistillationLoss,
    Judged,
    OpinionLoss,
)

TRUNK = {"stem_width": 8, "planes": (4, 4, 8, 8), "depths": (1, 1, 1, 1)}


def student():
    return irq.TeacherIQAStudent(**TRUNK, width=16, patch_px=32)


def ckdn():
    return irq.CKDN(stem_width=8, planes=(8, 8), depths=(1, 1), hidden=16, dropout=0.0)


def cvrkd(**changes):
    return irq.CVRKD(
        **{"patches": 2, **TRUNK, "local_width": 4, "grid": 2, "width": 8, "quality_depth": 1, "difference_depth": 3}
        | changes
    )


def judged(patches=2, px=32):
    draw = torch.Generator().manual_seed(0)
    images = {name: torch.rand(3, patches, 3, px, px, generator=draw) for name in Judged._fields if "mos" not in name}
    return Judged(mos=torch.tensor([0.2, 0.5, 0.9]), rival_mos=torch.tensor([0.6, 0.5, 0.1]), **images)


def test_a_blind_student_is_held_to_the_opinion_at_every_patch():
    torch.manual_seed(0)
    loss = OpinionLoss(student().eval(), normalisation="none")
    total, log = loss(judged(), iteration=1)
    scores = loss.network(judged().restored.flatten(0, 1)).score
    expected = l1_loss(scores, torch.tensor([0.2, 0.2, 0.5, 0.5, 0.9, 0.9]))
    torch.testing.assert_close(total, expected)
    assert set(log) == {"l_mos"}
    assert loss.needs == set()


def test_a_reference_teacher_is_held_to_one_opinion_an_image():
    torch.manual_seed(0)
    loss = AlignedOpinionLoss(cvrkd().eval(), normalisation="none")
    total, _ = loss(judged(), iteration=1)
    sample = judged()
    torch.testing.assert_close(total, l1_loss(loss.network(sample.restored, sample.reference).score, sample.mos))
    assert loss.needs == {"reference"}


def test_ckdn_learns_preferences_first_and_quality_in_both_settings_then():
    torch.manual_seed(0)
    loss = ConditionalDistillationLoss(ckdn().eval(), normalisation="none", preference_iter=5, alignment_weight=30.0)
    sample = judged(patches=1)
    restored, degraded, reference, rival = (
        getattr(sample, name)[:, 0] for name in ("restored", "degraded", "reference", "rival")
    )
    total, log = loss(sample, iteration=5)
    assert set(log) == {"l_preference"}
    better = 1 / (1 + 10 ** ((sample.mos - sample.rival_mos) * 1000 / 400))
    expected = 0.5 * mse_loss(loss.network(restored, rival=rival).preference.score, better)
    torch.testing.assert_close(total, expected)

    total, log = loss(sample, iteration=6)
    assert set(log) == {"l_mos", "l_full_reference", "l_alignment"}
    found = loss.network(restored, degraded, reference)
    expected = (
        mse_loss(found.degraded_reference.score, sample.mos)
        + mse_loss(found.full_reference.score, sample.mos)
        + 30 * found.alignment.mean() ** 2
    )
    torch.testing.assert_close(total, expected)


def test_preferences_are_judged_in_the_unit_of_elo_whatever_the_score_range():
    torch.manual_seed(0)
    network, sample = ckdn().eval(), judged(patches=1)
    unit = ConditionalDistillationLoss(network, preference_iter=1)
    wide = ConditionalDistillationLoss(network, preference_iter=1, score_range=(0.0, 100.0))
    hundredfold = sample._replace(mos=sample.mos * 100, rival_mos=sample.rival_mos * 100)
    torch.testing.assert_close(unit(sample, 1)[0], wide(hundredfold, 1)[0])


def test_a_cvrkd_student_sees_any_clean_image_and_its_teacher_the_aligned_one():
    torch.manual_seed(0)
    network, teacher = cvrkd().eval(), cvrkd()
    loss = ContentVariantDistillationLoss(network, teacher, normalisation="none", distillation_weight=2.0)
    sample = judged()
    total, log = loss(sample, iteration=1)
    own, taught = network(sample.restored, sample.clean), teacher(sample.restored, sample.reference)
    distances = [mse_loss(a, b) for a, b in zip(own.difference_blocks, taught.difference_blocks, strict=True)]
    assert len(distances) == 3
    torch.testing.assert_close(total, l1_loss(own.score, sample.mos) + 2 * sum(distances))
    assert set(log) == {"l_mos", "l_distillation"}


def test_the_teacher_and_the_backbone_never_learn():
    torch.manual_seed(0)
    network, teacher = cvrkd(), cvrkd()
    loss = ContentVariantDistillationLoss(network, teacher)
    statistics = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    loss.train()
    total, _ = loss(judged(), iteration=1)
    total.backward()
    assert not any(weight.grad is not None for weight in teacher.parameters())
    assert not any(weight.grad is not None for weight in network.backbone.parameters())
    assert all(torch.equal(value, network.backbone.state_dict()[name]) for name, value in statistics.items())
    assert not teacher.training
    assert not any("teacher" in name for name in loss.state_dict())
    assert network.regressor[0].weight.grad is not None


def test_the_gradients_norm_is_paid_for_in_inference_mode():
    torch.manual_seed(0)
    network = irq.CKDN(stem_width=8, planes=(8, 8), depths=(1, 1), hidden=16, dropout=0.5)
    loss = ConditionalDistillationLoss(network, gradient_weight=0.1)
    loss.train()
    sample = judged(patches=1)
    statistics = network.quality_encoder.stage[0].bn1.running_mean.clone()
    total, log = loss(sample, iteration=1)
    assert network.training
    assert log["gradient_norm"] > 0
    parts = log["l_mos"] + log["l_full_reference"] + 30 * log["l_alignment"]
    torch.testing.assert_close(total, parts + 0.1 * log["gradient_norm"])
    assert not torch.equal(statistics, network.quality_encoder.stage[0].bn1.running_mean)


def test_pushed_images_score_more_and_are_held_to_the_opinions_of_the_images():
    torch.manual_seed(0)
    loss = OpinionLoss(student().eval(), normalisation="none", push=2 / 255)
    sample = judged()
    pushed = loss.pushed(sample)
    moved = (pushed.restored - sample.restored).abs().amax(dim=(1, 2, 3, 4))
    assert (moved <= 2 / 255 + 1e-6).all() and len(moved.unique()) == len(moved)  # each image by a distance of its own
    assert pushed.restored.min() >= 0 and pushed.restored.max() <= 1
    before, after = (loss.score(images.restored, sample) for images in (sample, pushed))
    assert (after > before).all()
    torch.manual_seed(1)
    same = loss.pushed(sample)
    torch.manual_seed(1)
    total, log = loss(sample, iteration=1)
    torch.testing.assert_close(total, l1_loss(loss.score(same.restored, sample), a_patch(sample.mos, sample.restored)))
    torch.testing.assert_close(log["l_mos"], total)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: OpinionLoss(ckdn()), r"OpinionLoss trains TeacherIQAStudent; it was given a CKDN"),
        (lambda: OpinionLoss(student(), normalisation="z"), r"normalisation='z'; expected imagenet or none"),
        (lambda: OpinionLoss(student(), score_range=(1.0, 1.0)), r"score_range=\(1.0, 1.0\)"),
        (lambda: OpinionLoss(student(), gradient_weight=-1.0), r"gradient_weight=-1.0"),
        (lambda: OpinionLoss(student(), push=2.0), r"push=2.0; expected at least 0 and below 1"),
        (lambda: ConditionalDistillationLoss(ckdn(), alignment_form="x"), r"expected released or paper"),
        (lambda: ContentVariantDistillationLoss(cvrkd(), ckdn()), r"network_t is a CKDN"),
        (lambda: ContentVariantDistillationLoss(cvrkd(), cvrkd(width=16)), r"the teacher's \(3, 4, 16\)"),
        (
            lambda: ContentVariantDistillationLoss(cvrkd(), cvrkd(difference_depth=2)),
            r"\(blocks, tokens, width\) \(3, 4, 8\), the teacher's \(2, 4, 8\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, said):
    with pytest.raises(irq.UsageError, match=said):
        make()


def test_a_sample_without_what_is_needed_says_so():
    with pytest.raises(irq.UsageError, match="degraded is missing"):
        ConditionalDistillationLoss(ckdn())(judged(patches=1)._replace(degraded=None), iteration=1)
