"""The probe's parts: the ascent on a metric whose optimum is known, the ladder, and how images are cut together."""

import math

import pytest
import torch

import ir_quality_plugin as irq
from ir_quality_plugin.engine.gaming import Attack, Images, ascend, has_gradient, ladder, prepare
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
    found = ascend(Brightness(higher), Images(PICTURE), Attack(epsilon_255=3, steps=20))
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

    class Overwritten(Brightness):
        """Changes in place what its gradient needs, as some of pyiqa's do."""

        def _score(self, restored, guide):
            bent = restored.sigmoid()
            score = bent.mean(dim=(1, 2, 3))
            bent.mul_(2)
            return score

    for metric, message in (
        (Constant(), "has no gradient here"),
        (Detached(), "not differentiable"),
        (Overwritten(), "not differentiable: .*inplace"),
    ):
        assert not has_gradient(metric, Images(PICTURE), Attack())
        with pytest.raises(irq.ImageError, match=message):
            ascend(metric, Images(PICTURE), Attack(steps=2))
    assert has_gradient(Brightness(), Images(PICTURE), Attack())


def test_a_metric_that_changes_its_image_in_place_is_climbed_and_spoils_nothing():
    class Careless(Brightness):
        def _score(self, restored, guide):
            return restored.mul_(255).mean(dim=(1, 2, 3))

    before = PICTURE.clone()
    found = probe({"careless": Careless(), "bright": Brightness()}, Images(PICTURE), Attack(steps=4))
    assert torch.equal(PICTURE, before) and has_gradient(Careless(), Images(PICTURE), Attack())
    assert found["careless"].finding.gain == pytest.approx(found["bright"].finding.gain, rel=1e-3)
    torch.testing.assert_close(found["careless"].picture, found["bright"].picture)


class Odd(Brightness):
    """Brightness, until it is brighter than the picture: then whatever it is told."""

    def __init__(self, answer, from_scores=0.0):
        super().__init__()
        self.answer, self.from_scores = answer, from_scores

    def _score(self, restored, guide):
        score = super()._score(restored, guide)
        return self.answer(score, restored) if score.item() > self.from_scores else score


def with_infinite_slope(score, restored):
    """The derivative of a root at zero."""
    return score + (restored - restored.detach()).sqrt().sum()


def broken(score, restored):
    raise irq.ImageError("no such picture")


BRIGHT = PICTURE.mean().item() + 0.001


@pytest.mark.parametrize(
    ("answer", "from_scores", "message"),
    [
        (lambda score, restored: score * math.nan, 0, "gives nan"),
        (lambda score, restored: score * math.inf, BRIGHT, "gives"),
        (lambda score, restored: score / (score - score), BRIGHT, "gives"),
        (with_infinite_slope, 0, "gradient that is no number at 4800 of 4800"),
        (broken, 0, "no such picture"),
        (broken, BRIGHT, "no such picture"),
    ],
)
def test_a_score_or_gradient_that_is_no_number_is_a_reason_and_the_others_go_on(answer, from_scores, message):
    metrics = {"odd": Odd(answer, from_scores), "bright": Brightness()}
    found = probe(metrics, Images(PICTURE), Attack(steps=4))
    assert message in found["odd"]
    assert found["bright"].finding.gain > 0
    assert judged(metrics, Images(PICTURE), found) == {"bright": {}}


def test_a_gradient_for_which_there_is_no_memory_is_not_called_missing():
    class Starved(torch.autograd.Function):
        """Whose way back needs more memory than there is."""

        @staticmethod
        def forward(ctx, score):
            return score.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise torch.OutOfMemoryError("no memory")

    found = probe({"odd": Odd(lambda score, _: Starved.apply(score), 0)}, Images(PICTURE), Attack(steps=2))
    assert "ran out of memory" in found["odd"]


def test_a_judge_that_breaks_on_a_gamed_picture_says_why_and_ends_nothing():
    class Shy(Brightness):
        """Darkness, which no picture that was gamed to be bright has."""

        def _score(self, restored, guide):
            score = super()._score(restored, guide)
            return score * math.nan if score.item() > BRIGHT and not restored.requires_grad else score

    metrics = {"shy": Shy(higher=False), "bright": Brightness()}
    rungs_are_darker = Images(PICTURE, None, PICTURE * 0.5)
    found = probe(metrics, rungs_are_darker, Attack(steps=8))
    said = judged(metrics, rungs_are_darker, found)
    assert "gives nan" in said["bright"]["shy"]
    assert said["shy"]["bright"] < 0


def test_the_end_is_never_worse_than_the_image_which_can_be_kept():
    class Between(Brightness):
        """Likes only what the grid of 8 bits does not hold."""

        def _score(self, restored, guide):
            grid = restored.detach().mul(255).round()
            between, moved = restored * 255 - grid, (grid - PICTURE * 255).abs()
            return (between - moved).mean(dim=(1, 2, 3))

    for starts in (1, 3):
        found = ascend(Between(), Images(PICTURE), Attack(starts=starts))
        assert found.scores == pytest.approx([0.0] * starts, abs=1e-4)
        assert torch.equal(found.gamed, PICTURE)


def test_a_metric_at_its_best_has_nothing_to_gain_which_is_no_failure():
    class Likeness(Metric):
        def __init__(self):
            super().__init__("likeness", "a test", "reference", True)

        def _score(self, restored, guide):
            return -(restored - guide).square().mean(dim=(1, 2, 3))

    found = probe({"likeness": Likeness()}, Images(PICTURE, None, PICTURE), Attack(steps=4))
    assert found["likeness"].finding.gain == 0
    assert torch.equal(found["likeness"].picture, PICTURE)


def test_steps_that_shrink_settle_where_steps_of_one_size_would_leap():
    class Valley(Brightness):
        """Best where every value is a third of a step of 1/255 above the picture's."""

        def _score(self, restored, guide):
            return -(restored * 255 - PICTURE * 255 - 1.2).square().mean(dim=(1, 2, 3))

    found = ascend(Valley(), Images(PICTURE * 0.98), Attack(epsilon_255=8, step_255=4, steps=20, starts=1))
    assert found.scores[0] > -0.2
    paces = [Attack(step_255=4).pace(step) * 255 for step in range(20)]
    assert paces[0] == pytest.approx(4) and paces[-1] == pytest.approx(0.2) and paces == sorted(paces, reverse=True)


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
