"""One restored file: a score by every metric, or the reason why there is none."""

from pathlib import Path

import pytest
import torch
from evaluation_folders import Called

from ir_quality_plugin import ImageError
from ir_quality_plugin.evaluation.judging import Item, judge
from ir_quality_plugin.integrations.metric import build_metrics

CPU = torch.device("cpu")
FILES = {role: Path(f"{role}.png") for role in ("restored", "degraded", "reference")}


def metric(name="m", needs=None, call=lambda restored, guide: 0.5, **more):
    return Called(call, needs, name, **more)


def judged(read, metrics, scale=None, files=FILES, tile_px=0):
    return judge(Item("a", "one", files), read, metrics, scale, tile_px, CPU)


def image(height, width=None):
    return torch.rand(3, height, width or height)


def test_a_file_that_cannot_be_read_has_its_reason_for_every_metric():
    found = judged({"restored": ImageError("it is damaged")}, [metric("a"), metric("b")])
    assert found.failures == {"a": "it is damaged", "b": "it is damaged"}


def test_what_a_metric_misses_fails_that_metric_alone():
    metrics = [metric("blind"), metric("degraded", "degraded"), metric("reference", "reference", aligned=True)]
    read = {"restored": image(64), "degraded": ImageError("degraded.png is empty"), "reference": image(63)}
    found = judged(read, metrics)
    assert found.scores == {"blind": 0.5}
    assert found.failures["degraded"] == "degraded.png is empty"
    assert "reference is 63x63 and restored 64x64 pixels" in found.failures["reference"]
    found = judged({"restored": image(64)}, metrics, files={"restored": FILES["restored"]})
    assert found.missing["degraded"] == "there is no degraded file of this image"
    assert not found.failures and found.scores == {"blind": 0.5}


def test_a_clean_image_of_any_size_does_for_what_is_not_aligned():
    found = judged({"restored": image(64), "reference": image(50, 90)}, [metric("any", "reference")])
    assert found.scores == {"any": 0.5}


SIZES = [((16, 16), 4), ((32, 32), 2), ((64, 64), 1), ((16, 32), 0), ((30, 30), 0)]


@pytest.mark.parametrize(("small", "factor"), SIZES)
def test_sizes_are_checked_against_the_scale(small, factor):
    read = {"restored": image(64), "degraded": image(*small)}
    metrics = [metric("blind"), metric("degraded", "degraded")]
    found = judged(read, metrics)
    assert found.factor == factor
    assert ("degraded" in found.scores) == bool(factor)
    found = judged(read, metrics, scale=4)
    assert ("blind" in found.scores) == (factor == 4)
    if factor != 4:
        assert "expected 4 times" in found.failures["blind"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ImageError("at least 32x32"), "at least 32x32"),
        (torch.OutOfMemoryError("CUDA"), "ran out of memory on 64x64 pixels"),
        (RuntimeError("[enforce fail] can't allocate memory"), "lower --tile-px"),
        (RuntimeError("sizes differ\nstack"), "broken cannot score 64x64 pixels (HxW): sizes differ"),
    ],
)
def test_a_metric_that_breaks_leaves_the_others_their_scores(error, reason):
    def broken(restored, guide):
        raise error

    found = judged({"restored": image(64)}, [metric("broken", call=broken), metric("sound")])
    assert reason in found.failures["broken"]
    assert found.scores == {"sound": 0.5}


def test_a_score_that_is_no_number_is_a_failure():
    found = judged({"restored": image(64)}, [metric(call=lambda restored, guide: float("nan"))])
    assert "the score is nan" in found.failures["m"]


def test_large_images_are_scored_by_tiles_but_not_where_the_protocol_sees_a_small_view_anyway():
    seen = []
    small_view = metric("small", call=lambda image, _: seen.append(image) or 0.5, tiled=False)
    found = judged({"restored": image(512, 300)}, [metric(), small_view], tile_px=256)
    assert found.tiles == 4
    assert [tuple(one.shape) for one in seen] == [(1, 3, 512, 300)]


def test_scorers_and_pyiqas_metrics_are_called_alike_each_in_its_own_direction():
    pyiqa = pytest.importorskip("pyiqa")
    metrics = build_metrics(["ckdn-s"], ["psnr", "gmsd"], CPU)
    assert [one.higher_is_better for one in metrics.values()] == [True, True, False]
    restored, reference = image(64), image(64)
    found = judged({"restored": restored, "degraded": image(16), "reference": reference}, list(metrics.values()))
    assert not found.failures
    expected = pyiqa.create_metric("psnr", device=CPU)(restored[None], reference[None]).item()
    assert found.scores["psnr"] == pytest.approx(expected)
    found = judged({"restored": image(64, 8), "reference": image(64, 8), "degraded": image(64, 8)}, [metrics["gmsd"]])
    assert found.scores or "gmsd cannot score 64x8 pixels" in found.failures["gmsd"]


def test_a_scale_that_cannot_be_checked_is_said():
    for read in ({"restored": image(64)}, {"restored": image(64), "degraded": ImageError("it is empty")}):
        found = judged(read, [metric()], scale=4)
        assert found.scores == {"m": 0.5} and found.unchecked
    assert not judged({"restored": image(64), "degraded": image(16)}, [metric()], scale=4).unchecked
    assert not judged({"restored": image(64)}, [metric()]).unchecked


def test_a_score_is_rounded_once():
    assert judged({"restored": image(64)}, [metric(call=lambda *_: 0.123456789)]).scores == {"m": 0.123457}


def test_an_image_without_colour_that_is_compared_with_colour_is_marked():
    colour, grey = image(64), image(64)[:1].expand(3, -1, -1)
    assert judged({"restored": grey, "reference": colour}, [metric()]).grey
    for read in ({"restored": grey, "reference": grey}, {"restored": colour, "reference": grey}, {"restored": grey}):
        assert not judged(read, [metric()]).grey
