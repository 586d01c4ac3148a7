"""Any tensor and any picture: a score, or an error of ours; and scores that depend on the pixels alone."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image

import ir_quality_plugin as irq
from ir_quality_plugin.data.images import FORMATS, read_image
from ir_quality_plugin.errors import QualityPluginError
from ir_quality_plugin.nn.pixels import match_size, mirror_to

NAMES = ("ckdn-s", "teacheriqa-s", "cvrkd-s")
SCORERS = {name: irq.load_scorer(name) for name in NAMES}
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int64, torch.bool)
FILLS = {
    "noise": lambda shape: torch.rand(shape, generator=torch.Generator().manual_seed(0)),
    "black": torch.zeros,
    "bytes": lambda shape: torch.full(shape, 255.0),
    "negative": lambda shape: torch.full(shape, -1.0),
    "nan": lambda shape: torch.full(shape, torch.nan),
    "infinite": lambda shape: torch.full(shape, torch.inf),
}
# Most are what they should be, so that the others fail alone.
batches = some.one_of(some.just(1), some.integers(0, 2))
channels = some.one_of(some.just(3), some.integers(0, 5))
sides = some.one_of(some.integers(32, 70), some.integers(0, 31))
shapes = some.one_of(some.tuples(batches, channels, sides, sides), some.lists(sides, max_size=5).map(tuple))
tensors = some.builds(
    lambda shape, fill, dtype: FILLS[fill](shape).to(dtype),
    shapes,
    some.one_of(some.just("noise"), some.sampled_from(sorted(FILLS))),
    some.one_of(some.just(torch.float32), some.sampled_from(DTYPES)),
)
anything = some.one_of(tensors, some.none(), some.just("image.png"), some.just(np.zeros((1, 3, 32, 32), np.float32)))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(restored=tensors, degraded=anything, reference=anything, alike=some.booleans())
def test_any_tensor_gives_scores_or_an_error_that_says_why(name, restored, degraded, reference, alike):
    if alike:
        degraded = reference = restored
    try:
        score = SCORERS[name](restored, degraded=degraded, reference=reference)
    except QualityPluginError as error:
        assert len(str(error)) > 20
        return
    assert score.shape == (len(restored),)
    assert score.isfinite().all()
    assert ((score >= 0) & (score <= 1)).all() or not SCORERS[name].card.bounded


def noise(seed, *shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


sizes = some.tuples(some.integers(32, 80), some.integers(32, 80))
seeds = some.integers(0, 1000)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=8)
@given(size=sizes, seed=seeds, order=some.permutations(range(4)))
def test_a_score_depends_on_no_other_image_of_the_batch(name, size, seed, order):
    restored, guide = noise(seed, 4, 3, *size), noise(seed + 1, 4, 3, *size)
    scorer = SCORERS[name]
    scores = scorer(restored, guide, guide)
    close = {"rtol": 0, "atol": 2e-5}
    torch.testing.assert_close(scorer(restored[order], guide[order], guide[order]), scores[list(order)], **close)
    one = order[0]
    alone = scorer(restored[one : one + 1], guide[one : one + 1], guide[one : one + 1])
    torch.testing.assert_close(alone, scores[one : one + 1], **close)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=8)
@given(size=sizes, seed=seeds)
def test_the_folded_network_scores_as_the_plain_one(name, size, seed):
    restored, guide = noise(seed, 1, 3, *size), noise(seed + 1, 1, 3, *size)
    scorer = irq.load_scorer(name)
    folded = scorer(restored, guide, guide)
    plain = type(f"Plain{type(scorer).__name__}", (type(scorer),), {"folded": property(lambda self: self.network)})
    scorer.__class__ = plain
    torch.testing.assert_close(scorer(restored, guide, guide), folded, rtol=1e-4, atol=1e-5)


@settings(max_examples=8)
@given(size=sizes, seed=seeds)
def test_a_small_image_scores_as_the_same_image_mirrored_to_the_patch(size, seed):
    restored = noise(seed, 1, 3, *size)
    scorer = SCORERS["teacheriqa-s"]
    torch.testing.assert_close(scorer(mirror_to(restored, 96, 96)), scorer(restored), rtol=0, atol=2e-5)


@settings(max_examples=8)
@given(size=some.tuples(some.integers(16, 30), some.integers(16, 30)), factor=some.integers(2, 4), seed=seeds)
def test_a_smaller_degraded_image_scores_as_the_one_that_it_is_brought_to(size, factor, seed):
    small, restored = noise(seed, 1, 3, *size), noise(seed + 1, 1, 3, *(factor * side for side in size))
    scorer = SCORERS["ckdn-s"]
    torch.testing.assert_close(scorer(restored, small), scorer(restored, match_size("degraded", small, restored)))


MODES = ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "YCbCr", "LAB", "HSV", "F", "I")


@given(
    mode=some.sampled_from(MODES),
    form=some.sampled_from(FORMATS),
    size=some.tuples(some.integers(1, 40), some.integers(1, 40)),
    orientation=some.integers(0, 9),
    seed=seeds,
)
def test_any_picture_is_read_as_rgb_or_refused(tmp_path_factory, mode, form, size, orientation, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 4), dtype=np.uint8)
    try:
        picture = Image.fromarray(pixels, "RGBA").convert(mode if mode != "LAB" else "RGB")
        exif = Image.Exif()
        exif[0x0112] = orientation
        file = io.BytesIO()
        picture.save(file, form, **({"exif": exif} if form in ("JPEG", "PNG", "WEBP") else {}))
    except (OSError, ValueError, KeyError):
        return  # a format that has no such mode
    path = tmp_path_factory.mktemp("picture") / "picture.png"
    path.write_bytes(file.getvalue())
    try:
        image = read_image(path)
    except irq.ImageError as error:
        assert str(path) in str(error)
        return
    turned = size[::-1] if form in ("JPEG", "PNG", "WEBP") and orientation in (5, 6, 7, 8) else size
    assert tuple(image.shape) == (3, *turned)
    assert image.dtype == torch.float32 and image.is_contiguous()
    assert image.min() >= 0 and image.max() <= 1
