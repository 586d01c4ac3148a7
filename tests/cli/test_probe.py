"""`irq probe`: the ball is kept, the pictures are what was scored, and every direction is driven the right way."""

import csv
import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

import ir_quality_plugin as irq
from ir_quality_plugin.data.images import read_image

pytest.importorskip("pyiqa")
PHOTOGRAPHS = Path(__file__).parents[2] / "recipes" / "smoke" / "photographs" / "val" / "gt"
QUICK = ("--steps", "3", "--starts", "2", "--side", "64")


def write(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((image.permute(1, 2, 0) * 255).round().byte().numpy()).save(path)


@pytest.fixture
def restored(tmp_path):
    """Two photographs, blurred, with what they were restored from and the clean ones."""
    for photograph in sorted(PHOTOGRAPHS.glob("*.png"))[:2]:
        clean = read_image(photograph)[:, :64, :64]
        small = torch.nn.functional.avg_pool2d(clean[None], 2)
        write(clean, tmp_path / "clean" / photograph.name)
        write(small[0], tmp_path / "degraded" / photograph.name)
        write(
            torch.nn.functional.interpolate(small, scale_factor=2, mode="bilinear")[0],
            tmp_path / "restored" / photograph.name,
        )
    return tmp_path


def test_metrics_of_both_directions_are_driven_to_better_within_the_ball(run, restored):
    out = restored / "out"
    code, printed, _ = run(
        *("probe", "--images", restored / "restored", "--degraded", restored / "degraded"),
        *("--reference", restored / "clean", "--scorer", "ckdn-s", "--pyiqa", "ssim", "--pyiqa", "gmsd"),
        *("--out", out, *QUICK, "--epsilon", "3", "--json"),
    )
    document = json.loads(printed)
    assert code == 0
    assert document == json.loads((out / "summary.json").read_text())
    assert document["attack"] == {"epsilon_255": 3, "steps": 3, "step_255": 0.5, "starts": 2, "seed": 0}
    scorer = irq.load_scorer("ckdn-s")
    for row in csv.DictReader((out / "scores.csv").open()):
        start, gamed, gain = (float(row[key]) for key in ("start", "gamed", "gain"))
        lower = row["metric"] == "gmsd"
        assert gain > 0 and (gamed < start if lower else gamed > start)
        assert gain == pytest.approx(abs(gamed - start) / float(row["natural_range"]))
        before, after = (read_image(path) for path in (row["image"], row["picture"]))
        assert 1 <= (255 * (after - before)).abs().max().round() <= 3
        if row["metric"] == "ckdn-s":  # the number is that of the picture as it was saved
            degraded = read_image(restored / "degraded" / Path(row["image"]).name)[None]
            assert scorer(after[None], degraded).item() == pytest.approx(gamed, abs=1e-5)
    found = document["metrics"]["ckdn-s"]
    assert found["images"] == 2 and set(found["judged_by_others"]) == {"ssim", "gmsd"}
    assert found["gain"] < 3 * found["first_order_gain"]


def test_the_page_holds_the_pictures_and_fetches_nothing(run, restored):
    code, printed, _ = run(
        "probe", "--images", restored / "restored", "--scorer", "ckdn-s", "--out", restored / "out", *QUICK
    )
    page = (restored / "out" / "report.html").read_text()
    assert code == 0 and "gain, of its natural range" in printed
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert page.count("<img") == 2 * 3
    assert "each image reduced four times" in page


def test_a_probe_is_reproducible_and_more_room_gains_more(run, restored):
    def gains(out, *arguments):
        run("probe", "--images", restored / "restored", "--scorer", "ckdn-s", "--out", restored / out, *arguments)
        return [float(row["gain"]) for row in csv.DictReader((restored / out / "scores.csv").open())]

    first = gains("a", *QUICK)
    assert first == gains("b", *QUICK)
    wider = gains("c", "--steps", "6", "--starts", "1", "--side", "64", "--epsilon", "6", "--step-size", "1")
    assert all(wide > near for wide, near in zip(wider, first, strict=True))


def test_a_metric_without_gradient_is_listed_with_its_reason(run, restored):
    code, _, err = run(
        *("probe", "--images", restored / "restored", "--scorer", "ckdn-s", "--pyiqa", "entropy", "--pyiqa", "piqe"),
        *("--out", restored / "out", *QUICK),
    )
    assert code == 1
    assert "4 of 6 probes failed" in err
    reasons = {row["metric"]: row["reason"] for row in csv.DictReader((restored / "out" / "scores.csv").open())}
    assert "entropy is not differentiable" in reasons["entropy"]
    assert "piqe has no gradient" in reasons["piqe"]
    assert reasons["ckdn-s"] == ""


def test_a_broken_image_is_listed_and_the_others_are_probed(run, restored):
    (restored / "restored" / "broken.png").write_text("no image")
    code, _, err = run(
        "probe", "--images", restored / "restored", "--scorer", "ckdn-s", "--out", restored / "out", *QUICK
    )
    assert code == 1 and "1 of 3 probes failed" in err
    assert "broken.png" in (restored / "out" / "report.html").read_text()


def test_images_are_taken_evenly(run, restored):
    for number in range(7):
        write(read_image(sorted(PHOTOGRAPHS.glob("*.png"))[0])[:, :64, :64], restored / "many" / f"{number}.png")
    run(
        *(
            "probe",
            "--images",
            restored / "many",
            "--scorer",
            "ckdn-s",
            "--out",
            restored / "out",
            *QUICK,
            "--limit",
            "2",
        )
    )
    rows = list(csv.DictReader((restored / "out" / "scores.csv").open()))
    assert [Path(row["image"]).stem for row in rows] == ["0", "3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--pyiqa", "ssim"), "clean images are needed for ssim; pass --reference DIR"),
        (("--images", "nowhere", "--scorer", "ckdn-s"), "there is no such folder"),
        ((), "no metric is named"),
        (("--scorer", "ckdn-s", "--degraded", "."), "holds no image"),
    ],
)
def test_wrong_calls_are_refused_before_the_run(run, restored, monkeypatch, arguments, message):
    monkeypatch.chdir(restored)
    given = arguments if "--images" in arguments else ("--images", restored / "restored", *arguments)
    code, _, err = run("probe", *given, "--out", restored / "out")
    assert code == 2
    assert message in err
    assert not (restored / "out").exists()
