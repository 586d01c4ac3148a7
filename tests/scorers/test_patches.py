"""What TeacherIQA and CVRKD share, the grid of patches, and what is CVRKD's own, the reference of any size."""

from collections import Counter

import pytest
import torch

import ir_quality_plugin as irq
from ir_quality_plugin.nn.crops import grid_origins, random_origins, take_patches
from ir_quality_plugin.scorers.patches import RELEASED_SEED


def images(height=100, width=132, batch=2, seed=0):
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["teacheriqa-s", "cvrkd-s"])
def test_a_patch_beyond_the_native_count_covers_a_large_image(name):
    scorer = irq.load_scorer(name, weights="random")
    restored = images(500, 700, 1)
    native, cover = scorer.card.patches, 6 * 8
    assert scorer.count(images()) == native
    assert scorer.count(restored) >= cover
    assert scorer.count(restored) % scorer.patches_a_group == 0


@pytest.mark.parametrize("name", ["teacheriqa-s", "cvrkd-s"])
def test_a_number_that_the_user_sets_is_kept(name):
    scorer = irq.load_scorer(name, weights="random", patches=4)
    restored = images(300, 300)
    assert scorer.count(restored) == 4
    assert not torch.equal(
        scorer(restored, reference=restored),
        irq.load_scorer(name, weights="random", patches=8)(restored, reference=restored),
    )


@pytest.mark.parametrize(
    ("name", "patches", "message"),
    [
        ("teacheriqa-s", 0, "positive whole number"),
        ("teacheriqa-s", 2.5, "positive whole number"),
        ("cvrkd-s", 6, "positive multiple of 4"),
        ("ckdn-s", 4, "sees the whole image"),
    ],
)
def test_an_impossible_number_of_patches_is_refused(name, patches, message):
    with pytest.raises(irq.UsageError, match=message):
        irq.load_scorer(name, weights="random", patches=patches)


def test_a_blind_score_is_the_mean_over_the_grid():
    scorer = irq.load_scorer("teacheriqa-s", weights="random")
    restored = images(150, 230, 1)
    patches = take_patches(scorer.normalise(restored), grid_origins(150, 230, 96, 9), 96)
    by_hand = torch.stack([scorer.network(patch).score for patch in patches.unbind(1)]).mean()
    torch.testing.assert_close(scorer(restored), by_hand[None])


@pytest.mark.parametrize(("height", "width"), [(96, 97), (97, 97), (97, 98)])
def test_patches_on_one_place_count_as_often_as_they_fall_on_it(height, width):
    blind, variant = irq.load_scorer("teacheriqa-s"), irq.load_scorer("cvrkd-s", patches=8)
    restored, clean = images(height, width, 1), images(width, height, 1, seed=1)
    patches = take_patches(blind.normalise(restored), grid_origins(height, width, 96, 9), 96)
    by_hand = torch.stack([blind.network(patch).score for patch in patches.unbind(1)]).mean()
    torch.testing.assert_close(blind(restored), by_hand[None], rtol=1e-6, atol=0)
    patches, clean_patches = (
        take_patches(variant.normalise(batch), grid_origins(*batch.shape[-2:], 96, 8), 96)
        for batch in (restored, clean)
    )
    groups = [variant.network(patches[:, group::2], clean_patches[:, group::2]).score for group in range(2)]
    torch.testing.assert_close(variant(restored, reference=clean), torch.stack(groups).mean()[None], rtol=1e-6, atol=0)


def test_a_content_variant_score_is_the_mean_over_groups_spread_over_both_images():
    scorer = irq.load_scorer("cvrkd-s", weights="random", patches=8)
    restored, reference = images(150, 230, 1), images(300, 200, 1, seed=1)
    patches = take_patches(scorer.normalise(restored), grid_origins(150, 230, 96, 8), 96)
    clean = take_patches(scorer.normalise(reference), grid_origins(300, 200, 96, 8), 96)
    by_hand = torch.stack([scorer.network(patches[:, group::2], clean[:, group::2]).score for group in range(2)]).mean()
    torch.testing.assert_close(scorer(restored, reference=reference), by_hand[None])


@pytest.mark.parametrize(("name", "patches"), [("teacheriqa", 25), ("cvrkd", 10)])
def test_the_released_protocol_takes_as_many_crops_as_the_release(name, patches):
    scorer = irq.load_scorer(name, weights="random", protocol="released")
    restored = torch.rand(1, 3, 300, 400)
    assert scorer.count(restored) == patches
    assert scorer.origins(restored, patches) == random_origins(300, 400, 224, patches, RELEASED_SEED)


def test_a_released_blind_score_is_the_mean_over_its_crops():
    scorer = irq.load_scorer("teacheriqa-s", weights="random", protocol="released")
    restored = images(150, 230, 1) ** 3
    crops = take_patches(scorer.normalise(restored), random_origins(150, 230, 96, 9, RELEASED_SEED), 96)
    by_hand = torch.stack([scorer.network(crop).score for crop in crops.unbind(1)]).mean()
    torch.testing.assert_close(scorer(restored), by_hand[None])


def test_patches_that_coincide_are_scored_once_and_weigh_as_often_as_they_are_named():
    scorer = irq.load_scorer("teacheriqa-s", weights="random")
    seen = []
    scorer.network.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    same = images(96, 96, 2)
    torch.testing.assert_close(scorer(same), scorer.network(scorer.normalise(same)).score)
    assert seen[0] == 2
    seen.clear()
    narrow = images(96, 98, 1)
    times = Counter(grid_origins(96, 98, 96, 9))
    by_hand = (
        sum(n * scorer.network(scorer.normalise(narrow)[..., x : x + 96]).score for (_, x), n in times.items()) / 9
    )
    torch.testing.assert_close(scorer(narrow), by_hand)


@pytest.mark.parametrize("name", ["teacheriqa-s", "cvrkd-s"])
def test_patches_of_a_large_image_are_cut_when_their_turn_comes(name, monkeypatch):
    scorer = irq.load_scorer(name, weights="random")
    restored = images(500, 700, 2)
    held = []
    monkeypatch.setattr(scorer, "prepare", lambda patches: held.append(len(patches)) or scorer.normalise(patches))
    with torch.inference_mode():
        scorer(restored, reference=restored[:1])
    assert sum(held) >= 2 * 6 * 8
    assert max(held) == scorer.at_once(restored[..., :96, :96])


def test_one_reference_of_any_size_serves_a_whole_batch():
    scorer = irq.load_scorer("cvrkd-s", weights="random")
    restored, reference = images(), images(64, 300, 1, seed=1)
    expected = scorer(restored, reference=reference.expand(2, -1, -1, -1))
    torch.testing.assert_close(scorer(restored, reference=reference), expected)
    with pytest.raises(irq.ImageError, match="reference holds 3 images and restored 2"):
        scorer(restored, reference=images(batch=3))


def test_the_teacher_of_cvrkd_asks_for_the_aligned_image():
    teacher = irq.load_scorer("cvrkd-s", weights="random", full_reference=True)
    restored = images()
    assert teacher(restored, reference=images(seed=1)).shape == (2,)
    with pytest.raises(irq.ImageError, match="compares aligned images"):
        teacher(restored, reference=images(64, 64))


@pytest.mark.parametrize("name", ["teacheriqa-s", "cvrkd-s"])
def test_the_released_protocol_draws_the_same_crops_every_time(name):
    scorer = irq.load_scorer(name, weights="random", protocol="released")
    restored = images(200, 260)
    score = scorer(restored, reference=restored)
    assert torch.equal(score, scorer(restored, reference=restored))
    assert not torch.equal(score, irq.load_scorer(name, weights="random")(restored, reference=restored))
