"""`irq benchmark`: from labels and images to the table, the summary and the page."""

import csv
import json
import re

import numpy as np
import pytest
from judged_images import (
    PHOTOGRAPHS,
    SIDE_PX,
    arguments,
    labels_of,
    page_of,
    scores_of,
    summary_of,
    write,
    write_labels,
)

from ir_quality_plugin.catalog import load_scorer
from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.metrics.correlation import agreement, srcc

pytest.importorskip("pyiqa")


def test_it_writes_what_the_metrics_say(run, judged):
    metrics = ("--scorer", "ckdn-s", "--pyiqa", "ssim", "--pyiqa", "gmsd")
    code, out, _ = run(*arguments(judged, *metrics, "--degraded", judged / "degraded", "--json"))
    document = json.loads(out)
    assert code == 0
    assert document == summary_of(judged)
    assert document["compared"] == {"images": 16, "contents": 4, "contents_within": 4}
    rows = scores_of(judged)
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
    code, out, _ = run(*arguments(judged, "--pyiqa", "ssim", "--pyiqa", "gmsd"))
    page = page_of(judged)
    assert code == 0 and out.rstrip().endswith("report.html")
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert page.count("<svg") == 3 and page.count("<img") == 2 * 6
    assert "</b> has the highest SRCC with people;\nthe paired test shows no difference between it and" in page
    assert "A rank is one more than the number of metrics that the paired test shows to agree better" in page
    assert "whether two intervals overlap decides nothing" in page and "in up to 12 % of small ones" in page
    assert "title=" not in page.split("<body>")[1] and "hover" not in page  # a phone has nothing to hover with
    table = page.split("Agreement with people")[1].split("</table>")[0]
    figures = re.findall(r"<td>[^<\w]*[\d.]+<small>(.*?)</small>", table)
    # Each figure of both metrics has its interval; within four contents there is none.
    assert len(figures) == 2 * 6 and figures.count("") == 2
    assert "gmsd ↓" in page and "ssim ↑" in page
    assert not re.search(r"#0b6e99|#010203", page.split("</style>")[1])  # colours are the page's variables
    assert "var(--accent)" in page and "prefers-color-scheme: dark" in page


def test_opinions_of_which_lower_is_better_turn_the_sign(run, judged):
    rows = labels_of(judged, "image", "mos", "reference")
    write_labels(judged, rows, ("image", "dmos", "reference"))
    run(*arguments(judged, "--pyiqa", "ssim"))
    assert summary_of(judged)["metrics"]["ssim"]["srcc"] < -0.8


def test_votes_are_compared(run, judged):
    names = sorted(path.name for path in (judged / "images").iterdir())
    lines = [f"{names[4 * i]},{names[4 * i + 3]},9,1" for i in range(4)]
    (judged / "votes.csv").write_text("\n".join(["first,second,first_votes,second_votes", *lines]))
    run(*arguments(judged, "--pyiqa", "ssim", "--votes", judged / "votes.csv"))
    votes = summary_of(judged)["metrics"]["ssim"]["votes"]
    assert (votes["pairs"], votes["accuracy"], votes["two_afc"]) == (4, 1, pytest.approx(0.9))
    assert "pair accuracy" in page_of(judged)


def test_votes_that_are_not_used_are_counted_and_people_have_a_ceiling(run, judged):
    names = sorted(path.name for path in (judged / "images").iterdir())
    votes = [f"{names[4 * i]},{names[4 * i + 3]},9,1" for i in range(4)] + [f"{names[0]},{names[5]},2,2"]
    (judged / "votes.csv").write_text("\n".join(["first,second,first_votes,second_votes", *votes]))
    (judged / "images" / names[3]).write_text("no image")
    code, out, _ = run(*arguments(judged, "--pyiqa", "ssim", "--votes", judged / "votes.csv"))
    assert code == 1
    found = summary_of(judged)["votes"]
    assert found == {"pairs": 5, "used": 4, "undecided": 1, "two_afc_people": pytest.approx(0.8)}
    for text in (out, page_of(judged)):
        assert (
            "4 of 5 pairs that people chose from are used" in text and "Without a majority, in 2AFC alone: 1." in text
        )
        assert "reaches a 2AFC of 0.800" in text
    assert "2AFC" in out.splitlines()[1]


def test_contents_are_drawn_for_votes_too(run, judged):
    names = sorted(path.name for path in (judged / "images").iterdir())
    votes = [f"{names[4 * i + a]},{names[4 * i + b]},9,1" for i in range(4) for a, b in ((0, 1), (1, 2), (2, 3))]
    (judged / "votes.csv").write_text("\n".join(["first,second,first_votes,second_votes", *votes]))
    call = ("--pyiqa", "piqe", "--votes", judged / "votes.csv")
    run(*arguments(judged, *call))
    assert None not in summary_of(judged)["metrics"]["piqe"]["votes"]["two_afc_interval"]
    run(*arguments(judged, *call, "--resample", "content", "--out", judged / "again"))  # four contents, twelve pairs
    assert summary_of(judged, "again")["metrics"]["piqe"]["votes"]["two_afc_interval"] == [None, None]


def test_metrics_are_ranked_within_contents_too(run, judged):
    _, out, _ = run(*arguments(judged, "--pyiqa", "ssim", "--pyiqa", "entropy"))
    document = summary_of(judged)
    ranks = {name: (found["rank"], found["rank_within"]) for name, found in document["metrics"].items()}
    assert ranks == {"ssim": (1, 1), "entropy": (2, 2)}
    (pair,) = document["pairs_within"]
    within = [document["metrics"][name]["srcc_within"] for name in ("ssim", "entropy")]
    assert pair["better"] == "ssim" and pair["difference"] == pytest.approx(within[0] - within[1])
    page = page_of(judged)
    assert "Within contents ssim is first." in page and "<th>rank within content</th>" in page
    assert "rank within" in out.splitlines()[1] and "The rank within contents is by the same test" in out


def test_every_figure_can_be_computed_from_the_table(run, judged):
    run(*arguments(judged, "--scorer", "ckdn-s", "--degraded", judged / "degraded", "--pyiqa", "gmsd"))
    document = summary_of(judged)
    for name, found in document["metrics"].items():
        rows = [row for row in scores_of(judged) if row["metric"] == name]
        assert all(len(row["score"].lstrip("-0.").replace(".", "")) <= 6 for row in rows)
        sign = 1 if found["higher_is_better"] else -1
        scores, mos = (np.array([float(row[key]) for row in rows]) for key in ("score", "mos"))
        again = agreement(sign * scores, mos, [row["content"] for row in rows])._asdict()
        assert {kind: found[kind] for kind in ("srcc", "krcc", "plcc", "plcc_logistic", "rmse", "srcc_within")} == {
            kind: again[kind] for kind in ("srcc", "krcc", "plcc", "plcc_logistic", "rmse", "srcc_within")
        }


def test_few_images_are_said_to_be_few_wherever_figures_stand(run, judged):
    _, _, err = run(*arguments(judged, "--pyiqa", "ssim"))
    said = "16 images are few, 50 or more are expected"
    assert said in err and "shows 0.8" not in err
    assert said in summary_of(judged)["warnings"][0]
    assert said in page_of(judged)


def test_too_few_contents_to_resample_give_no_p_value_and_no_interval(run, judged):
    with (judged / "labels" / "scores.csv").open() as file:
        rows = [[row["image"], row["mos"], row["reference"], "one"] for row in csv.DictReader(file)]
    write_labels(judged, rows, ("image", "mos", "reference", "content"))
    code, out, err = run(*arguments(judged, "--pyiqa", "ssim", "--pyiqa", "piqe", "--resample", "content"))
    document = summary_of(judged)
    assert code == 0 and document["metrics"]["ssim"]["intervals"]["srcc"] == [None, None]
    assert [document["pairs"][0][key] for key in ("p", "p_adjusted", "low", "high", "better")] == [None] * 5
    assert {found[kind] for found in document["metrics"].values() for kind in ("rank", "rank_within")} == {1}
    page = page_of(judged)
    for text in (err, page):
        assert "1 content is too few to tell two metrics apart" in text
        assert "there is too little to test it against the others" in page and "below each difference its p" not in page
        assert "1 content is too few to resample" in text and "--resample image" in text
    assert "[" not in out and "resamples of" not in page


def test_the_terminal_ranks_by_the_paired_test_with_an_interval_beside_each_figure(run, judged):
    _, out, _ = run(*arguments(judged, "--pyiqa", "ssim", "--pyiqa", "gmsd", "--pyiqa", "entropy"))
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
    code, out, _ = run(*arguments(judged, "--pyiqa", "entropy", "--pyiqa", "piqe"))
    document = summary_of(judged)
    assert code == 0 and [found["rank"] for found in document["metrics"].values()] == [None, None]
    assert document["pairs"][0]["p"] is None and out.splitlines()[2].split()[:3] == ["–", "entropy", "–"]
    assert "has the highest SRCC" not in page_of(judged)


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
