"""`irq benchmark` on what is missing, broken, listed twice, or called wrongly."""

from pathlib import Path

import pytest
from judged_images import SIDE_PX, arguments, labels_of, page_of, scores_of, summary_of, write_labels
from PIL import Image

pytest.importorskip("pyiqa")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--pyiqa", "ssim"), "neither --labels and --set"),
        (("--labels", "a.csv", "--set", "live", "--pyiqa", "ssim"), "both --labels and --set"),
        (("--labels", "none.csv", "--pyiqa", "ssim"), "cannot be read as CSV"),
        (("--set", "live", "--pyiqa", "ssim"), "--set live needs --images DIR"),
        (("--set", "kadid", "--images", ".", "--pyiqa", "ssim"), "did you mean 'kadid10k'"),
        (("--set", "kadid10k", "--images", "nowhere", "--pyiqa", "ssim"), "there is no such folder"),
    ],
)
def test_wrong_calls_are_refused(run, tmp_path, words, message):
    code, _, err = run("benchmark", *words, "--out", tmp_path / "out")
    assert code == 2
    assert message in err


def test_what_a_metric_cannot_do_without_is_said_before_the_run(run, judged):
    code, _, err = run(*arguments(judged, "--pyiqa", "ssim", "--scorer", "ckdn-s"))
    assert code == 2
    assert "ckdn-s needs the degraded image" in err and "--degraded DIR" in err
    code, _, err = run(*arguments(judged))
    assert code == 2 and "no metric is named" in err
    assert not (judged / "out").exists()  # what was refused leaves nothing


def test_a_broken_image_is_listed_and_the_rest_compared(run, judged):
    broken = sorted((judged / "images").iterdir())[2]
    broken.write_text("no image")
    code, _, err = run(*arguments(judged, "--pyiqa", "ssim", "--pyiqa", "gmsd"))
    assert code == 1
    assert "2 of 32 scores failed" in err
    document = summary_of(judged)
    assert document["compared"]["images"] == 15
    assert document["metrics"]["ssim"] | {"failed": 1, "scored": 15, "left_out": 0} == document["metrics"]["ssim"]
    rows = scores_of(judged)
    failed = [row for row in rows if row["reason"]]
    assert {row["image"] for row in failed} == {broken.name}
    assert all(row["score"] == "" and "it is no image" in row["reason"] for row in failed)
    assert broken.name in page_of(judged)


def test_odd_and_missing_images_are_rows_with_a_reason(run, judged):
    names = sorted(path.name for path in (judged / "images").iterdir())
    (judged / "images" / names[0]).unlink()
    (judged / "images" / names[1]).write_bytes(b"")
    Image.new("RGB", (1, 1)).save(judged / "images" / names[5])
    whole = (judged / "images" / names[9]).read_bytes()
    (judged / "images" / names[9]).write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (SIDE_PX, SIDE_PX + 2)).save(judged / "images" / names[13])  # not as its reference
    code, _, err = run(*arguments(judged, "--pyiqa", "ssim"))
    assert code == 1 and "5 of 16 scores failed" in err
    rows = scores_of(judged)
    reasons = {Path(row["image"]).name: row["reason"] for row in rows if row["reason"]}
    assert len(rows) == 16 and sorted(reasons) == [names[index] for index in (0, 1, 5, 9, 13)]
    for index, reason in {0: "there is nothing", 1: "is empty", 5: "1", 9: "damaged", 13: "expected the same"}.items():
        assert reason in reasons[names[index]]
    document = summary_of(judged)
    assert (document["set"]["images"], document["compared"]["images"], len(document["failures"])) == (16, 11, 5)


def test_too_few_scored_images_are_a_failure_that_says_why(run, judged):
    for path in sorted((judged / "images").iterdir())[4:]:
        path.write_text("no image")
    code, _, err = run(*arguments(judged, "--pyiqa", "ssim"))
    assert code == 1
    assert "4 of 16 images were scored by every metric (ssim 4); expected at least 5" in err and "no image" in err
    assert len((judged / "out" / "scores.csv").read_text().splitlines()) == 17


def test_images_without_input_are_left_out_of_the_comparison_and_are_no_failure(run, judged):
    rows = labels_of(judged, "image", "mos", "reference")
    for row in rows[:4]:
        row[2] = ""
    write_labels(judged, rows, ("image", "mos", "reference"))
    code, _, err = run(*arguments(judged, "--pyiqa", "ssim", "--pyiqa", "piqe"))
    assert code == 0
    assert "ssim leaves 4 of 16 images out: they have no reference" in err
    document = summary_of(judged)
    assert document["compared"]["images"] == 12
    assert (document["metrics"]["ssim"]["left_out"], document["metrics"]["piqe"]["scored"]) == (4, 16)


def test_images_that_are_their_own_reference_are_rows_without_a_score(run, judged):
    rows = labels_of(judged, "image", "mos", "reference")
    clean = rows[0][2]
    write_labels(judged, [*rows, [clean, 9, clean]], ("image", "mos", "reference"))
    code, _, err = run(*arguments(judged, "--pyiqa", "ssim"))
    assert code == 0
    assert "1 of 17 images are their own reference and are left out" in err
    rows = scores_of(judged)
    assert len(rows) == 17 and (rows[-1]["score"], rows[-1]["reason"][:23]) == ("", "it is its own reference")
    document = summary_of(judged)
    assert (document["set"]["images"], document["compared"]["images"], document["failures"]) == (17, 16, [])
    assert document["metrics"]["ssim"]["left_out"] == 1


def test_an_image_that_is_listed_twice_alike_is_counted_once(run, judged):
    rows = labels_of(judged, "image", "mos", "reference")
    run(*arguments(judged, "--pyiqa", "ssim"))
    once = summary_of(judged)
    write_labels(judged, [*rows, rows[3], rows[3]], ("image", "mos", "reference"))
    code, _, err = run(*arguments(judged, "--pyiqa", "ssim", "--out", judged / "again"))
    again = summary_of(judged, "again")
    assert code == 0 and "2 of 18 rows repeat an image, word for word, and are counted once" in err
    assert again["metrics"]["ssim"]["srcc"] == once["metrics"]["ssim"]["srcc"] and again["compared"]["images"] == 16
    assert len((judged / "again" / "scores.csv").read_text().splitlines()) == 17
    write_labels(judged, [*rows, [*rows[3][:2], rows[-1][2]]], ("image", "mos", "reference"))
    code, _, err = run(*arguments(judged, "--pyiqa", "ssim", "--out", judged / "third"))
    said = f"scores.csv, line 18: {rows[3][0]} is listed in line 5 already, with another score, input or content"
    assert code == 2 and said in err


def test_references_are_found_in_their_folder_by_the_labels_names(run, judged):
    rows = labels_of(judged, "image", "mos", "reference")
    for row in rows:
        row[2] = f"elsewhere/{Path(row[2]).name}"
    write_labels(judged, rows, ("image", "mos", "reference"))
    code, _, err = run(*arguments(judged, "--pyiqa", "ssim"))
    assert code == 2 and "none of the 16 that" in err and "--reference DIR" in err
    assert f"looked in {judged / 'images'}, {judged / 'labels'}" in err
    code, _, _ = run(*arguments(judged, "--pyiqa", "ssim", "--reference", judged / "clean"))
    assert code == 0
    assert summary_of(judged)["metrics"]["ssim"]["scored"] == 16


def test_a_metric_that_can_score_nothing_does_not_take_the_images_from_the_others(run, judged):
    code, out, _ = run(*arguments(judged, "--pyiqa", "ssim", "--pyiqa", "ms_ssim"))  # needs more than 64 px
    document = summary_of(judged)
    assert code == 1 and document["compared"]["images"] == 16 and list(document["metrics"]) == ["ssim"]
    assert "ms_ssim: it scored 0 images; expected at least 5" in out
    assert "ms_ssim is not compared: it scored 0 images" in page_of(judged)
    assert len(document["failures"]) == 16
