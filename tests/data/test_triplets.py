"""How triplets are planned and cut: names, seeds, families."""

from collections import Counter

import pytest
import torch

pytest.importorskip("cv2")
pytest.importorskip("skimage")

import ir_quality_plugin as irq
from ir_quality_plugin.data.readers import read_triplets
from ir_quality_plugin.data.restorers import RESTORERS
from ir_quality_plugin.data.triplets import Making, content_of, crop, plan


def test_names_of_different_files_never_clash_and_are_plain():
    names = [
        "a b.png",
        "a_b.png",
        "a.b.png",
        "a b.jpg",
        "A b.png",
        "ü,\n.png",
        "..png",
        "x" * 200 + ".png",
        "y\udcff.png",
    ]
    contents = [content_of(name) for name in names]
    assert len({content.lower() for content in contents}) == len(names)
    assert all(len(content) < 60 and content.replace("-", "").replace("_", "").isalnum() for content in contents)
    assert all(content.isascii() for content in contents)


def test_a_plan_depends_on_seed_name_and_options_alone():
    making = Making(seed=1)
    assert plan("a", making, {}) == plan("a", Making(seed=1), {})
    assert plan("a", making, {}) != plan("b", making, {})
    assert plan("a", making, {}) != plan("a", Making(seed=2), {})


def test_restorers_of_one_input_differ_suit_its_scale_and_come_from_all_families():
    networks = {"mine": 4}
    counts = Counter()
    for index in range(300):
        for planned in plan(f"p{index}", Making(inputs=1), networks):
            names = [name for name, _ in planned.restorers]
            assert len(set(names)) == 4
            for name in names:
                if name == "mine":
                    assert planned.scale == 4
                else:
                    assert RESTORERS[name].takes(planned.scale)
                counts["network" if name == "mine" else RESTORERS[name].family] += 1
    assert set(counts) == {restorer.family for restorer in RESTORERS.values()} | {"network"}
    assert min(counts.values()) > 40


def test_reduced_inputs_are_planned_at_every_scale():
    scales = {planned.scale for index in range(30) for planned in plan(f"{index}", Making(scales=(1, 2, 4)), {})}
    assert scales == {1, 2, 4}


def test_the_crop_with_most_detail_is_taken_and_a_small_photograph_refused():
    photograph = torch.zeros(3, 64, 256)
    photograph[:, :, 128:] = torch.rand(3, 64, 128, generator=torch.Generator().manual_seed(0))
    found = [crop(photograph, 64, f"{index}") for index in range(20)]
    assert sum(bool(each.any()) for each in found) >= 18
    assert torch.equal(found[0], crop(photograph, 64, "0"))
    with pytest.raises(irq.ImageError, match="64x256 pixels"):
        crop(photograph, 65, "0")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": ()}, "expected different whole numbers"),
        ({"scales": (4, 4)}, "expected different whole numbers"),
        ({"scales": (0,)}, "expected different whole numbers"),
        ({"crop_px": 190}, "a multiple of each scale"),
        ({"crop_px": 32}, "at least 16 px"),
        ({"inputs": 0}, "expected at least 1"),
    ],
)
def test_impossible_numbers_are_refused(options, message):
    with pytest.raises(irq.UsageError, match=message):
        Making(**options)


def test_more_restorations_than_restorers_are_refused():
    with pytest.raises(irq.UsageError, match="restorations=40; scale"):
        plan("a", Making(restorations=40), {})


def test_a_table_without_scores_is_read_with_what_it_names(tmp_path):
    (tmp_path / "t.csv").write_text("image,reference,degraded,method\nr/a.png,c/x.png,,GAN\nr/b.png,c/x.png,d/x.png,\n")
    first, second = read_triplets(tmp_path / "t.csv")
    assert (first.image, first.content, first.degraded, first.distortion) == (tmp_path / "r/a.png", "x", None, "GAN")
    assert (second.degraded, second.distortion) == (tmp_path / "d/x.png", None)
    assert read_triplets(tmp_path / "t.csv", tmp_path / "in")[0].reference == tmp_path / "in" / "c/x.png"
    (tmp_path / "t.csv").write_text("image,reference\na.png,\n")
    with pytest.raises(irq.UsageError, match="line 2: no image or no reference"):
        read_triplets(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("image,reference\n")
    with pytest.raises(irq.UsageError, match="at least one row"):
        read_triplets(tmp_path / "t.csv")
