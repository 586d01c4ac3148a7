"""The probe's parts: the ascent on a metric whose optimum is known, the ladder, and how images are cut together."""

import pytest
import torch

import ir_quality_plugin as irq
from ir_quality_plugin.engine.gaming import Attack, Images, ascend, gradient_of, ladder, prepare
from ir_quality_plugin.engine.probe import Finding, judged, probe
from ir_quality_plugin.integrations.metric import Metric

PICTURE = (torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0)) * 255).round() / 255


class Brightness(Metric):
    """Mean brightness: its best picture in the ball is every pixel at the ball's edge."""

    def __init__(self, higher=True):
        super().__init__("brightness", "a test", None, higher)

    def _score(self, restored, guide):
        return restored.mean(dim=(1, 2, 3))


@pytest.mark.parametrize("higher", [True, False])
def test_the_ascent_reaches_the_edge_of_the_ball_and_of_the_range(higher):
    found = ascend(Brightness(higher), Images(PICTURE), Attack(epsilon_255=3, steps=20, step_255=0.5))
    shift = 3 / 255 if higher else -3 / 255
    expected = (PICTURE + shift).clamp(0, 1)
    torch.testing.assert_close(found.gamed, expected)
    assert found.scores == pytest.approx([expected.mean().item()] * 2)
    assert found.gradient_l1 == pytest.approx(1)  # 4800 pixels of 1/4800 each


def test_the_gradients_l1_norm_promises_the_first_order_gain():
    found = ascend(Brightness(), Images(PICTURE * 0.5 + 0.25), Attack(epsilon_255=4, steps=10, step_255=1, starts=1))
    gained = found.scores[0] - (PICTURE * 0.5 + 0.25).mean().item()
    assert gained == pytest.approx(found.gradient_l1 * 4 / 255, rel=0.2)  # rounding to 8 bits is the rest


def test_gains_are_counted_in_the_natural_range_and_in_the_direction_of_better():
    lower = Finding(0.3, [0.2, 0.1], 1.0, [0.5, 0.9], 0.15, sign=-1)
    assert (lower.end, lower.gain) == (0.1, pytest.approx(0.5))
    assert lower.beyond_reference(lower.end) and not lower.beyond_reference(lower.start)
    assert lower._replace(reference=None).beyond_reference(0.1) is None


def test_what_the_others_say_is_in_their_own_direction_and_range():
    metrics = {"bright": Brightness(), "dark": Brightness(higher=False)}
    found = probe(metrics, Images(PICTURE), Attack(epsilon_255=2, steps=8))
    said = judged(metrics, Images(PICTURE), found)
    for name, other in (("bright", "dark"), ("dark", "bright")):
        assert found[name].finding.gain > 0
        assert said[name] == {other: pytest.approx(-found[name].finding.gain)}


def test_a_metric_without_gradient_is_refused():
    class Constant(Brightness):
        def _score(self, restored, guide):
            return restored.mean(dim=(1, 2, 3)) * 0

    class Detached(Brightness):
        def _score(self, restored, guide):
            return restored.detach().mean(dim=(1, 2, 3))

    for metric, message in ((Constant(), "no gradient at the image"), (Detached(), "not differentiable")):
        with pytest.raises(irq.ImageError, match=message):
            gradient_of(metric, Images(PICTURE), PICTURE)


def test_the_ladder_has_three_ways_at_five_levels_and_can_be_drawn_again():
    rungs = ladder(PICTURE, seed=3)
    assert len(rungs) == 15 and all(rung.shape == PICTURE.shape for rung in rungs)
    assert all(torch.equal(*pair) for pair in zip(rungs, ladder(PICTURE, seed=3), strict=True))
    errors = [(rung - PICTURE).square().mean().item() for rung in rungs]
    for way in (errors[:5], errors[5:10], errors[10:]):
        assert way == sorted(way)


def test_images_are_cut_together():
    reference = torch.arange(100 * 130).view(1, 1, 100, 130).expand(1, 3, -1, -1) / 13_000
    degraded = torch.nn.functional.interpolate(reference, scale_factor=0.5, mode="nearest")
    cut = prepare(Images(reference, degraded, reference), side_px=50)
    assert [tuple(image.shape[-2:]) for image in cut] == [(50, 50), (25, 25), (50, 50)]
    torch.testing.assert_close(cut.reference[..., ::2, ::2], cut.degraded)
    assert ((cut.restored * 255).round() / 255 == cut.restored).all()


def test_a_degraded_input_is_made_where_there_is_none():
    cut = prepare(Images(torch.rand(1, 3, 99, 70)), side_px=64)
    assert [tuple(image.shape[-2:]) for image in cut[:2]] == [(64, 64), (16, 16)]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (Images(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 30, 32)), "no multiple"),
        (Images(torch.rand(1, 3, 64, 64), None, torch.rand(1, 3, 64, 60)), "expected the same size"),
        (Images(torch.rand(1, 3, 64, 30)), "at least 32x32"),
    ],
)
def test_images_that_do_not_belong_together_are_refused(images, message):
    with pytest.raises(irq.ImageError, match=message):
        prepare(images, 64)


def test_numbers_that_make_no_ascent_are_refused():
    with pytest.raises(irq.UsageError, match="at least 1"):
        Attack(steps=0)
