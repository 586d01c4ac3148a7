"""Judged images as samples: the same place of everything aligned, opinions in the unit asked for, clear refusals."""

import csv
import random

import numpy as np
import pytest
import torch
from PIL import Image

import ir_quality_plugin as irq
from ir_quality_plugin.data.judged import QualityDataset


@pytest.fixture
def labels(tmp_path):
    """Four contents of three restorations each; every restoration is its reference, darker by its number."""
    draw = np.random.default_rng(0)
    rows = []
    for content in range(4):
        clean = draw.integers(60, 256, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(clean).save(tmp_path / f"clean_{content}.png")
        Image.fromarray(clean[::4, ::4]).save(tmp_path / f"small_{content}.png")
        for kind in range(3):
            Image.fromarray(clean - 20 * kind).save(tmp_path / f"{content}_{kind}.png")
            rows.append(
                (f"{content}_{kind}.png", f"clean_{content}.png", f"small_{content}.png", 5 - 2 * kind, content)
            )
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "reference", "degraded", "mos", "content"), *rows])
    return tmp_path / "labels.csv"


def dataset(labels, **options):
    return QualityDataset({"layout": "csv", "dataroot": str(labels), "phase": "train", "crop_px": 16, **options})


def test_everything_aligned_is_cut_at_the_same_places_and_turned_alike(labels):
    sample = dataset(labels, needs=["reference", "rival"], patches=3, use_hflip=True, use_rot=True)[1]
    assert sample["restored"].shape == sample["reference"].shape == sample["rival"].shape == (3, 3, 16, 16)
    darker = (sample["reference"] - sample["restored"]) * 255
    torch.testing.assert_close(darker, torch.full_like(darker, 20.0), atol=1e-3, rtol=0)
    steps = ((sample["restored"] - sample["rival"]) * 255).round().unique()
    assert steps.tolist() in ([-20.0], [20.0])
    assert sample["rival_mos"] != sample["mos"]


def test_a_smaller_degraded_input_is_brought_to_size_before_it_is_cut(labels):
    sample = dataset(labels, needs=["degraded"])[0]
    assert sample["degraded"].shape == sample["restored"].shape == (1, 3, 16, 16)


def test_opinions_come_in_the_unit_asked_for(labels):
    assert [float(dataset(labels)[index]["mos"]) for index in range(3)] == [1.0, 0.5, 0.0]
    wide = dataset(labels, score_range=[0, 100])
    assert [float(wide[index]["mos"]) for index in range(3)] == [100.0, 50.0, 0.0]


def test_the_same_draw_gives_the_same_sample(labels):
    data = dataset(labels, needs=["reference", "rival"], use_hflip=True, use_rot=True)
    random.seed(3)
    first = data[5]
    random.seed(3)
    again = data[5]
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_kept_images_are_those_of_the_files(labels):
    random.seed(3)
    read = dataset(labels)[4]
    random.seed(3)
    kept = dataset(labels, in_memory=True)[4]
    torch.testing.assert_close(read["restored"], kept["restored"])


def test_parts_share_no_content_and_follow_the_seed(labels):
    split = {"shares": [0.5, 0.25, 0.25], "seed": 1}
    parts = [dataset(labels, split=split, part=name) for name in ("train", "val", "test")]
    contents = [{row.content for row in part.rows} for part in parts]
    assert [len(part) for part in parts] == [6, 3, 3]
    assert not (contents[0] & contents[1] or contents[0] & contents[2] or contents[1] & contents[2])
    others = {tuple(row.content for row in dataset(labels, split={**split, "seed": seed}).rows) for seed in range(6)}
    assert len(others) > 1


def test_validation_gives_whole_images_with_names_and_contents(labels):
    sample = dataset(labels, phase="val", needs=["reference"])[3]
    assert sample["restored"].shape == sample["reference"].shape == (3, 40, 48)
    assert (sample["image"], sample["content"]) == ("1_0.png", "1")


def test_a_missing_degraded_input_is_made_of_the_reference(labels):
    text = labels.read_text().replace("small_", "").splitlines()
    rows = [line.split(",") for line in text]
    labels.write_text(
        "\n".join(",".join([*row[:2], "" if number else "degraded", *row[3:]]) for number, row in enumerate(rows))
    )
    with pytest.raises(irq.UsageError, match=r"12 of 12 images have no degraded.*degraded_scale"):
        dataset(labels, needs=["degraded"])
    sample = dataset(labels, needs=["degraded", "reference"], degraded_scale=4, phase="val")[0]
    assert sample["degraded"].shape == sample["reference"].shape
    assert (sample["degraded"] - sample["reference"]).abs().mean() > 0.05  # detail is gone,
    assert (sample["degraded"].mean() - sample["reference"].mean()).abs() < 0.02  # not light


def test_an_image_smaller_than_a_patch_is_mirrored(labels):
    assert dataset(labels, crop_px=64)[0]["restored"].shape == (1, 3, 64, 64)


def test_clean_images_of_any_content_come_from_their_folder(labels, tmp_path):
    folder = tmp_path / "clean"
    folder.mkdir()
    Image.new("RGB", (30, 30), (10, 20, 30)).save(folder / "other.png")
    sample = dataset(labels, needs=["clean"], references=str(folder), patches=2)[0]
    assert sample["clean"].shape == (2, 3, 16, 16)
    assert (sample["clean"][0, :, 0, 0] * 255).round().tolist() == [10, 20, 30]
    with pytest.raises(irq.UsageError, match="references=None is no folder"):
        dataset(labels, needs=["clean"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"split": {"share": [1.0]}}, r"expected \{shares, by, seed\}"),
        ({"split": {}, "part": "tests"}, r"part='tests'"),
        ({"split": {"shares": [0.5, 0.5]}, "part": "test"}, r"makes \('train', 'val'\); add a share"),
        ({"crop_px": 0}, r"crop_px=0"),
        ({"degraded_scale": -4}, r"degraded_scale=-4; expected a whole number"),
        ({"layout": "pipl"}, r"did you mean 'pipal'"),
    ],
)
def test_impossible_options_are_refused(labels, options, said):
    with pytest.raises(irq.UsageError, match=said):
        dataset(labels, **options)


def test_distortions_are_left_out_by_the_beginning_of_their_names(labels):
    lines = labels.read_text().splitlines()
    labels.write_text(
        "\n".join([f"{lines[0]},distortion", *(f"{line},0{i % 3}_{i}" for i, line in enumerate(lines[1:]))])
    )
    assert len(dataset(labels, leave_out=["01", "02_5"])) == 12 - 4 - 1
    with pytest.raises(irq.UsageError, match=r"leave_out='07' is no distortion of it; it has \['00_0'"):
        dataset(labels, leave_out=["07"])


def test_one_restoration_alone_has_no_rival(labels):
    lines = labels.read_text().splitlines()
    labels.write_text("\n".join([*lines[:1], *lines[1::3]]))
    with pytest.raises(irq.UsageError, match=r"4 of 4 images have no rival.*preference_iter: 0"):
        dataset(labels, needs=["rival"])


def test_a_reference_of_another_size_is_named(labels, tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "clean_0.png")
    with pytest.raises(irq.ImageError, match=r"reference of .*0_0.png is 20x20, the image 48x40"):
        dataset(labels, needs=["reference"])[0]


def test_a_named_image_that_is_not_there_is_found_at_the_start(labels, tmp_path):
    (tmp_path / "clean_2.png").unlink()
    with pytest.raises(irq.UsageError, match=r"1 images that the labels name are not there: .*clean_2.png"):
        dataset(labels, needs=["reference"])


def test_an_image_outside_of_the_labels_folder_has_a_name_too(labels, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    rows = [line.split(",") for line in labels.read_text().splitlines()]
    moved = [
        rows[0],
        *([str(tmp_path / row[0]), *(str(tmp_path / name) for name in row[1:3]), *row[3:]] for row in rows[1:]),
    ]
    (inside / "labels.csv").write_text("\n".join(map(",".join, moved)))
    assert dataset(inside / "labels.csv", phase="val")[0]["image"] == "../0_0.png"


def test_several_tables_share_one_unit_by_a_stated_range(labels):
    assert float(dataset(labels, mos_range=[0, 10])[0]["mos"]) == 0.5
