"""`irq benchmark`: from labels and images to the table, the summary and the page."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ir_quality_plugin.catalog import load_scorer
from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.degradations import OPERATORS, Step, degrade
from ir_quality_plugin.metrics.correlation import agreement, srcc

pytest.importorskip("pyiqa")
PHOTOGRAPHS = Path(__file__).parents[2] / "recipes" / "smoke" / "photographs" / "train" / "gt"
SIDE_PX = 64


def write(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((image.permute(1, 2, 0) * 255).round().byte().numpy()).save(path)


@pytest.fixture
def judged(tmp_path):
    """Four photographs, each noisier and noisier; opinions fall with the noise."""
    rows = []
    for photograph in sorted(PHOTOGRAPHS.glob("*.png"))[:4]:
        clean = read_image(photograph)[:, :SIDE_PX, :SIDE_PX]
        write(clean, tmp_path / "clean" / photograph.name)
        for level in range(1, 5):
            step = Step("gaussian_noise", OPERATORS["gaussian_noise"].strength(level), level)
            name = f"{photograph.stem}_{level}.png"
            spoiled = degrade(clean[None], [[step]])[0]
            write(spoiled, tmp_path / "images" / name)
            write(torch.nn.functional.avg_pool2d(clean[None], 2)[0], tmp_path / "degraded" / name)
            rows.append(
                [name, 5 - level + 0.1 * (len(rows) % 3), f"../clean/{photograph.name}", photograph.stem, "noise"]
            )
    table(tmp_path, rows)
    return tmp_path


def table(folder, rows, header=("image", "mos", "reference", "content", "distortion")):
    (folder / "labels").mkdir(exist_ok=True)
    with (folder / "labels" / "scores.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def call(run, judged, *arguments):
    return run(
        "benchmark",
        *("--labels", judged / "labels" / "scores.csv", "--images", judged / "images", "--out", judged / "out"),
        *("--resamples", 100, *arguments),
    )


def test_it_writes_what_the_metrics_say(run, judged):
    code, out, _ = call(
        run,
        judged,
        "--scorer",
        "ckdn-s",
        "--pyiqa",
        "ssim",
        "--pyiqa",
        "gmsd",
        "--degraded",
        judged / "degraded",
        "--json",
    )
    document = json.loads(out)
    assert code == 0
    assert document == json.loads((judged / "out" / "summary.json").read_text())
    assert document["compared"] == {"images": 16, "contents": 4, "contents_within": 4}
    rows = list(csv.DictReader((judged / "out" / "scores.csv").open()))
    assert len(rows) == 16 * 3
    own = [row for row in rows if row["metric"] == "ckdn-s"]
    scorer = load_scorer("ckdn-s")
    first = (read_image(judged / kind / own[0]["image"])[None] for kind in ("images", "degraded"))
    assert float(own[0]["score"]) == pytest.approx(scorer(*first).item(), abs=1e-6)
    scores, mos = (np.array([float(row[key]) for row in own]) for key in ("score", "mos"))
    assert document["metrics"]["ckdn-s"]["srcc"] == pytest.approx(srcc(scores, mos))
    # Lower is better, and agrees all the same.
    gmsd = [float(row["score"]) for row in rows if row["metric"] == "gmsd"]
    assert document["metrics"]["gmsd"]["srcc"] == pytest.approx(-srcc(gmsd, mos)) and srcc(gmsd, mos) < -0.8
    assert document["metrics"]["gmsd"]["by_distortion"]["noise"]["images"] == 16
    assert len(document["pairs"]) == 3


def test_the_page_holds_everything_and_fetches_nothing(run, judged):
    code, out, _ = call(run, judged, "--pyiqa", "ssim", "--pyiqa", "gmsd")
    page = (judged / "out" / "report.html").read_text()
    assert code == 0 and out.rstrip().endswith("report.html")
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert page.count("<svg") == 3 and page.count("<img") == 2 * 6
    assert "</b> has the highest SRCC with people;\nthe paired test shows no difference between it and" in page
    assert "A rank is one more than the number of metrics that the paired test shows to agree better" in page
    assert "whether two intervals overlap decides nothing" in page
    table = page.split("Agreement with people")[1].split("</table>")[0]
    figures = re.findall(r"<td>[^<\w]*[\d.]+<small>(.*?)</small>", table)
    # Each figure of both metrics has its interval; within four contents there is none.
    assert len(figures) == 2 * 6 and figures.count("") == 2
    assert "gmsd ↓" in page and "ssim ↑" in page
    assert not re.search(r"#0b6e99|#010203", page.split("</style>")[1])  # colours are the page's variables
    assert "var(--accent)" in page and "prefers-color-scheme: dark" in page


def test_opinions_of_which_lower_is_better_turn_the_sign(run, judged):
    with (judged / "labels" / "scores.csv").open() as file:
        rows = [[row["image"], row["mos"], row["reference"]] for row in csv.DictReader(file)]
    table(judged, rows, ("image", "dmos", "reference"))
    call(run, judged, "--pyiqa", "ssim")
    assert json.loads((judged / "out" / "summary.json").read_text())["metrics"]["ssim"]["srcc"] < -0.8


def test_a_broken_image_is_listed_and_the_rest_compared(run, judged):
    broken = sorted((judged / "images").iterdir())[2]
    broken.write_text("no image")
    code, _, err = call(run, judged, "--pyiqa", "ssim", "--pyiqa", "gmsd")
    assert code == 1
    assert "2 of 32 scores failed" in err
    document = json.loads((judged / "out" / "summary.json").read_text())
    assert document["compared"]["images"] == 15
    assert document["metrics"]["ssim"] | {"failed": 1, "scored": 15, "left_out": 0} == document["metrics"]["ssim"]
    rows = list(csv.DictReader((judged / "out" / "scores.csv").open()))
    failed = [row for row in rows if row["reason"]]
    assert {row["image"] for row in failed} == {broken.name}
    assert all(row["score"] == "" and "it is no image" in row["reason"] for row in failed)
    assert broken.name in (judged / "out" / "report.html").read_text()


def test_images_without_input_are_left_out_of_the_comparison_and_are_no_failure(run, judged):
    with (judged / "labels" / "scores.csv").open() as file:
        rows = [
            [row["image"], row["mos"], row["reference"] if index > 3 else ""]
            for index, row in enumerate(csv.DictReader(file))
        ]
    table(judged, rows, ("image", "mos", "reference"))
    code, _, err = call(run, judged, "--pyiqa", "ssim", "--pyiqa", "piqe")
    assert code == 0
    assert "ssim leaves 4 of 16 images out: they have no reference" in err
    document = json.loads((judged / "out" / "summary.json").read_text())
    assert document["compared"]["images"] == 12
    assert (document["metrics"]["ssim"]["left_out"], document["metrics"]["piqe"]["scored"]) == (4, 16)


def test_images_that_are_their_own_reference_are_left_out(run, judged):
    with (judged / "labels" / "scores.csv").open() as file:
        rows = [[row["image"], row["mos"], row["reference"]] for row in csv.DictReader(file)]
    clean = rows[0][2]
    table(judged, [*rows, [clean, 9, clean]], ("image", "mos", "reference"))
    code, _, err = call(run, judged, "--pyiqa", "ssim")
    assert code == 0
    assert "1 of 17 images are their own reference and are left out" in err
    rows = list(csv.DictReader((judged / "out" / "scores.csv").open()))
    assert len(rows) == 17 and (rows[-1]["score"], rows[-1]["reason"][:23]) == ("", "it is its own reference")
    document = json.loads((judged / "out" / "summary.json").read_text())
    assert (document["set"]["images"], document["compared"]["images"], document["failures"]) == (17, 16, [])
    assert document["metrics"]["ssim"]["left_out"] == 1


def test_votes_are_compared(run, judged):
    names = sorted(path.name for path in (judged / "images").iterdir())
    lines = [f"{names[4 * i]},{names[4 * i + 3]},9,1" for i in range(4)]
    (judged / "votes.csv").write_text("\n".join(["first,second,first_votes,second_votes", *lines]))
    call(run, judged, "--pyiqa", "ssim", "--votes", judged / "votes.csv")
    votes = json.loads((judged / "out" / "summary.json").read_text())["metrics"]["ssim"]["votes"]
    assert (votes["pairs"], votes["accuracy"], votes["two_afc"]) == (4, 1, pytest.approx(0.9))
    assert "pair accuracy" in (judged / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--pyiqa", "ssim"), "neither --labels and --set"),
        (("--labels", "a.csv", "--set", "live", "--pyiqa", "ssim"), "both --labels and --set"),
        (("--labels", "none.csv", "--pyiqa", "ssim"), "cannot be read as CSV"),
        (("--set", "live", "--pyiqa", "ssim"), "--set live needs --images DIR"),
        (("--set", "kadid", "--images", ".", "--pyiqa", "ssim"), "did you mean 'kadid10k'"),
        (("--set", "kadid10k", "--images", "nowhere", "--pyiqa", "ssim"), "there is no such folder"),
    ],
)
def test_wrong_calls_are_refused(run, tmp_path, arguments, message):
    code, _, err = run("benchmark", *arguments, "--out", tmp_path / "out")
    assert code == 2
    assert message in err


def test_too_few_scored_images_are_a_failure_that_says_why(run, judged):
    for path in sorted((judged / "images").iterdir())[4:]:
        path.write_text("no image")
    code, _, err = call(run, judged, "--pyiqa", "ssim")
    assert code == 1
    assert "4 of 16 images were scored by every metric (ssim 4); expected at least 5" in err and "no image" in err
    assert len((judged / "out" / "scores.csv").read_text().splitlines()) == 17


def test_what_a_metric_cannot_do_without_is_said_before_the_run(run, judged):
    code, _, err = call(run, judged, "--pyiqa", "ssim", "--scorer", "ckdn-s")
    assert code == 2
    assert "ckdn-s needs the degraded image" in err and "--degraded DIR" in err
    assert not (judged / "out" / "scores.csv").exists()
    code, _, err = call(run, judged)
    assert code == 2 and "no metric is named" in err


def test_every_figure_can_be_computed_from_the_table(run, judged):
    call(run, judged, "--scorer", "ckdn-s", "--degraded", judged / "degraded", "--pyiqa", "gmsd")
    document = json.loads((judged / "out" / "summary.json").read_text())
    for name, found in document["metrics"].items():
        rows = [row for row in csv.DictReader((judged / "out" / "scores.csv").open()) if row["metric"] == name]
        assert all(len(row["score"].lstrip("-0.").replace(".", "")) <= 6 for row in rows)
        sign = 1 if found["higher_is_better"] else -1
        scores, mos = (np.array([float(row[key]) for row in rows]) for key in ("score", "mos"))
        again = agreement(sign * scores, mos, [row["content"] for row in rows])._asdict()
        assert {kind: found[kind] for kind in ("srcc", "krcc", "plcc", "plcc_logistic", "rmse", "srcc_within")} == {
            kind: again[kind] for kind in ("srcc", "krcc", "plcc", "plcc_logistic", "rmse", "srcc_within")
        }


def test_few_images_are_said_to_be_few_wherever_figures_stand(run, judged):
    _, _, err = call(run, judged, "--pyiqa", "ssim")
    said = "16 images are few, 50 or more are expected"
    assert said in err and "shows 0.8" not in err
    assert said in json.loads((judged / "out" / "summary.json").read_text())["warnings"][0]
    assert said in (judged / "out" / "report.html").read_text()


def test_too_few_contents_to_resample_give_no_p_value_and_no_interval(run, judged):
    with (judged / "labels" / "scores.csv").open() as file:
        rows = [[row["image"], row["mos"], row["reference"], "one"] for row in csv.DictReader(file)]
    table(judged, rows, ("image", "mos", "reference", "content"))
    code, out, err = call(run, judged, "--pyiqa", "ssim", "--pyiqa", "piqe", "--resample", "content")
    document = json.loads((judged / "out" / "summary.json").read_text())
    assert code == 0 and document["metrics"]["ssim"]["intervals"]["srcc"] == [None, None]
    assert [document["pairs"][0][key] for key in ("p", "p_adjusted", "low", "high", "better")] == [None] * 5
    assert {found["rank"] for found in document["metrics"].values()} == {1}
    page = (judged / "out" / "report.html").read_text()
    for text in (err, page):
        assert "1 content is too few to tell two metrics apart" in text
        assert "there is too little to test it against the others" in page and "below each difference its p" not in page
        assert "1 content is too few to resample" in text and "--resample image" in text
    assert "[" not in out and "resamples of" not in page


def test_the_terminal_ranks_by_the_paired_test_with_an_interval_beside_each_figure(run, judged):
    _, out, _ = call(run, judged, "--pyiqa", "ssim", "--pyiqa", "gmsd", "--pyiqa", "entropy")
    header, *lines = out.splitlines()[1:5]
    assert header.split()[:2] == ["rank", "metric"]
    # SRCC, KRCC and PLCC; four contents have none, and neither has the logistic of a metric that falls.
    assert [line.count("[") for line in lines] == [3, 3, 2]
    assert "A rank is one more than the number of metrics that the paired test shows to agree better" in out
    assert "for all 3 pairs together (Holm)" in out
    assert lines[-1].split()[:2] == ["3", "entropy"] and {line.split()[0] for line in lines[:2]} == {"1"}


def test_metrics_that_score_all_images_alike_are_not_ranked(run, judged):
    paths = sorted((judged / "images").iterdir())
    for path in paths:
        path.write_bytes(paths[0].read_bytes())
    code, out, _ = call(run, judged, "--pyiqa", "entropy", "--pyiqa", "piqe")
    document = json.loads((judged / "out" / "summary.json").read_text())
    assert code == 0 and [found["rank"] for found in document["metrics"].values()] == [None, None]
    assert document["pairs"][0]["p"] is None and out.splitlines()[2].split()[:3] == ["–", "entropy", "–"]
    assert "has the highest SRCC" not in (judged / "out" / "report.html").read_text()


def test_a_metric_that_can_score_nothing_does_not_take_the_images_from_the_others(run, judged):
    code, out, _ = call(run, judged, "--pyiqa", "ssim", "--pyiqa", "ms_ssim")  # needs more than 64 px
    document = json.loads((judged / "out" / "summary.json").read_text())
    assert code == 1 and document["compared"]["images"] == 16 and list(document["metrics"]) == ["ssim"]
    assert "ms_ssim: it scored 0 images; expected at least 5" in out
    assert "ms_ssim is not compared: it scored 0 images" in (judged / "out" / "report.html").read_text()
    assert len(document["failures"]) == 16


def test_odd_and_missing_images_are_rows_with_a_reason(run, judged):
    names = sorted(path.name for path in (judged / "images").iterdir())
    (judged / "images" / names[0]).unlink()
    (judged / "images" / names[1]).write_bytes(b"")
    Image.new("RGB", (1, 1)).save(judged / "images" / names[5])
    whole = (judged / "images" / names[9]).read_bytes()
    (judged / "images" / names[9]).write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (SIDE_PX, SIDE_PX + 2)).save(judged / "images" / names[13])  # not as its reference
    code, _, err = call(run, judged, "--pyiqa", "ssim")
    assert code == 1 and "5 of 16 scores failed" in err
    rows = list(csv.DictReader((judged / "out" / "scores.csv").open()))
    reasons = {Path(row["image"]).name: row["reason"] for row in rows if row["reason"]}
    assert len(rows) == 16 and sorted(reasons) == [names[index] for index in (0, 1, 5, 9, 13)]
    for index, reason in {0: "there is nothing", 1: "is empty", 5: "1", 9: "damaged", 13: "expected the same"}.items():
        assert reason in reasons[names[index]]
    document = json.loads((judged / "out" / "summary.json").read_text())
    assert (document["set"]["images"], document["compared"]["images"], len(document["failures"])) == (16, 11, 5)


def test_an_image_that_is_listed_twice_alike_is_counted_once(run, judged):
    with (judged / "labels" / "scores.csv").open() as file:
        rows = [[*row.values()][:3] for row in csv.DictReader(file)]
    call(run, judged, "--pyiqa", "ssim")
    once = json.loads((judged / "out" / "summary.json").read_text())
    table(judged, [*rows, rows[3], rows[3]], ("image", "mos", "reference"))
    code, _, err = call(run, judged, "--pyiqa", "ssim", "--out", judged / "again")
    again = json.loads((judged / "again" / "summary.json").read_text())
    assert code == 0 and "2 of 18 rows repeat an image, word for word, and are counted once" in err
    assert again["metrics"]["ssim"]["srcc"] == once["metrics"]["ssim"]["srcc"] and again["compared"]["images"] == 16
    assert len((judged / "again" / "scores.csv").read_text().splitlines()) == 17
    table(judged, [*rows, [*rows[3][:2], rows[-1][2]]], ("image", "mos", "reference"))
    code, _, err = call(run, judged, "--pyiqa", "ssim", "--out", judged / "third")
    assert code == 2 and f"lists {rows[3][0]} twice, with other scores, inputs or contents" in err


def test_references_are_found_in_their_folder_by_the_labels_names(run, judged):
    with (judged / "labels" / "scores.csv").open() as file:
        rows = [[row["image"], row["mos"], f"elsewhere/{Path(row['reference']).name}"] for row in csv.DictReader(file)]
    table(judged, rows, ("image", "mos", "reference"))
    code, _, err = call(run, judged, "--pyiqa", "ssim")
    assert code == 2 and "none of the 16 that" in err and "--reference DIR" in err
    assert f"looked in {judged / 'images'}, {judged / 'labels'}" in err
    code, _, _ = call(run, judged, "--pyiqa", "ssim", "--reference", judged / "clean")
    assert code == 0
    assert json.loads((judged / "out" / "summary.json").read_text())["metrics"]["ssim"]["scored"] == 16


def test_an_out_folder_with_other_results_is_refused_and_left_alone(run, judged):
    (judged / "out").mkdir()
    (judged / "out" / "scores.csv").write_text("image,method\n")
    code, _, err = call(run, judged, "--pyiqa", "ssim")
    assert code == 2 and "something else (a scores.csv)" in err and "expected a new folder" in err
    assert (judged / "out" / "scores.csv").read_text() == "image,method\n"
    (judged / "out" / "scores.csv").unlink()
    assert call(run, judged, "--pyiqa", "ssim")[0] == 0
    before = (judged / "out" / "summary.json").read_bytes()
    assert call(run, judged, "--pyiqa", "ssim")[0] == 0  # the same run
    assert (judged / "out" / "summary.json").read_bytes() == before
    code, _, err = call(run, judged, "--pyiqa", "gmsd", "--seed", 1)
    assert code == 2 and "holds results of other options (metrics was ssim and is gmsd; seed was 0 and is 1)" in err
    assert (judged / "out" / "summary.json").read_bytes() == before


def test_a_public_set_is_read_as_it_unpacks(run, tmp_path):
    rows = []
    for index, photograph in enumerate(sorted(PHOTOGRAPHS.glob("*.png"))):
        write(read_image(photograph)[:, :SIDE_PX, :SIDE_PX], tmp_path / "set" / "512x384" / photograph.name)
        rows.append([photograph.name, 1 + index / 2])
    with (tmp_path / "set" / "koniq10k_scores_and_distributions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image_name", "MOS"], *rows])
    code, out, err = run(
        *("benchmark", "--set", "koniq10k", "--images", tmp_path / "set", "--pyiqa", "piqe", "--out", tmp_path / "out"),
        *("--resamples", 100, "--resample", "content"),
    )
    assert code == 0 and "KonIQ-10k: 8 images of 8 contents" in out
    assert "lists 8 images; the published set has 10073" in err
