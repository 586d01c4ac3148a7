"""Partners of judged images from a folder, repeated rows, and references among the images."""

from pathlib import Path

import pytest

import ir_quality_plugin as irq
from ir_quality_plugin.data.labels import LabelTable, Row
from ir_quality_plugin.data.partners import with_folder, without_references, without_repeats
from ir_quality_plugin.data.readers import read_csv


def files(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def judged(*rows):
    return LabelTable(
        "set", tuple(Row(Path(image), 1.0, "a", named and Path(named)) for image, named in rows), (0, 1), True
    )


def test_the_labels_name_goes_before_the_images_stem(tmp_path):
    folder = files(tmp_path / "clean", "scene.png", "scene.jpg", "one.png", "two.jpg")
    table = judged(("one.png", "gt/scene.jpg"), ("two.png", None), ("one.png", "gone.png"))
    found = [row.reference.name for row in with_folder(table, "reference", folder).rows]
    assert found == ["scene.jpg", "two.jpg", "one.png"]


def test_what_the_folder_lacks_is_noted_and_what_the_labels_name_is_kept(tmp_path):
    folder, other = files(tmp_path / "clean", "one.png"), files(tmp_path / "other", "there.png")
    table = with_folder(
        judged(("one.png", None), ("two.png", other / "there.png"), ("six.png", "x.png")), "reference", folder
    )
    assert [row.reference and row.reference.name for row in table.rows] == ["one.png", "there.png", None]
    assert table.notes == ("--reference has nothing for 1 of 3 images: six.png",)


def test_a_folder_for_nobody_says_what_was_looked_for(tmp_path):
    folder = files(tmp_path / "clean", "nobody.png")
    with pytest.raises(
        irq.UsageError,
        match=r"the names that the labels give \(gt.png\) and the images' stems \(one\); it holds nobody",
    ):
        with_folder(judged(("one.png", "gt.png")), "reference", folder)
    with pytest.raises(irq.UsageError, match=r"--degraded .*nowhere: there is no such folder"):
        with_folder(judged(("one.png", None)), "degraded", tmp_path / "nowhere")
    files(folder, "one.png", "one.jpg", "one.bmp")
    assert with_folder(judged(("one.png", None)), "degraded", folder).rows[0].degraded.name == "one.png"
    with pytest.raises(irq.UsageError, match="several files of the stem one"):
        with_folder(judged(("one.webp", None)), "degraded", folder)


def test_rows_that_are_alike_are_one_however_their_path_is_written(tmp_path):
    files(tmp_path / "images", "one.png", "two.png")
    table = judged(
        *((tmp_path / place, None) for place in ("images/one.png", "images/../images/one.png", "images/two.png"))
    )
    found = without_repeats(table)
    assert len(found.rows) == 2 and "1 of 3 rows repeat an image" in found.notes[0]
    with pytest.raises(irq.UsageError, match=r"one.png is listed already with another score"):
        without_repeats(judged(("one.png", None), ("one.png", "gt.png")))


def test_an_image_that_is_its_own_reference_is_left_out():
    found = without_references(judged(("one.png", "one.png"), ("two.png", "one.png")))
    assert [row.image.name for row in found.rows] == [
        "two.png"
    ] and "1 of 2 images are their own reference" in found.notes[0]
    assert [row.image.name for row in found.references] == ["one.png"] and len(found.listed) == 2


def test_references_of_a_csv_are_found_as_its_images_are(tmp_path):
    images = files(tmp_path / "images", "one.png", "gt.png", "lq.png")
    (tmp_path / "labels").mkdir()
    path = tmp_path / "labels" / "scores.csv"
    path.write_text("image,mos,reference,degraded\nout/one.png,1,clean/gt.png,small/lq.png\n")
    (row,) = read_csv(path, images).rows
    assert (row.image, row.reference, row.degraded) == (images / "one.png", images / "gt.png", images / "lq.png")


def test_a_judged_image_is_no_reference_by_its_name_alone(tmp_path):
    images = files(tmp_path / "images", "one.png")
    path = tmp_path / "scores.csv"
    path.write_text("image,mos,reference\none.png,1,clean/one.png\n")
    (row,) = read_csv(path, images).rows
    assert row.reference == tmp_path / "clean" / "one.png"


def test_images_that_are_not_there_are_kept_apart(tmp_path):
    files(tmp_path, "one.png")
    (tmp_path / "scores.csv").write_text("image,mos\none.png,1\ngone.png,2\n")
    table = read_csv(tmp_path / "scores.csv")
    assert [row.image.name for row in table.rows] == ["one.png"]
    assert [row.image.name for row in table.missing] == ["gone.png"]
    assert table.only(lambda row: row.mos < 2).missing == ()
