"""`irq probe`: the ball is kept, the pictures are what was scored, and every direction is driven the right way."""

import csv
import json
import math
import re
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

import ir_quality_plugin as irq
from ir_quality_plugin.catalog import SHIPPED
from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.evaluation import progress
from ir_quality_plugin.integrations import metric
from ir_quality_plugin.integrations.metric import Metric

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
    assert document["ladder_of"] == "reference" and "natural ranges" not in str(document["notes"])
    assert document["attack"] == {"epsilon_255": 3, "steps": 3, "step_255": 1.5, "starts": 2, "seed": 0}
    scorer = irq.load_scorer("ckdn-s")
    for row in csv.DictReader((out / "scores.csv").open()):
        start, gamed, gain = (float(row[key]) for key in ("start", "gamed", "gain"))
        lower = row["metric"] == "gmsd"
        assert gain > 0 and (gamed < start if lower else gamed > start)
        assert gain == pytest.approx(abs(gamed - start) / float(row["natural_range"]))
        before, after = (read_image(path) for path in (restored / "restored" / row["image"], out / row["picture"]))
        assert 1 <= (255 * (after - before)).abs().max().round() <= 3
        if row["metric"] == "ckdn-s":  # the number is that of the picture as it was saved
            degraded = read_image(restored / "degraded" / row["image"])[None]
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
    assert "no degraded inputs were given: each restored image, reduced four times (bicubic), stands in" in page
    assert "no degraded inputs were given" in printed
    document = json.loads((restored / "out" / "summary.json").read_text())
    assert document["metrics"]["ckdn-s"]["gain_interval"] is None  # of two images
    assert document["ladder_of"] == "restored" and "natural ranges are of the restored images" in printed
    assert "natural ranges are of the restored images" in page


def test_a_probe_is_reproducible_and_more_room_gains_more(run, restored):
    def gains(out, *arguments):
        run("probe", "--images", restored / "restored", "--scorer", "ckdn-s", "--out", restored / out, *arguments)
        return [float(row["gain"]) for row in csv.DictReader((restored / out / "scores.csv").open())]

    first = gains("a", *QUICK)
    assert first == gains("b", *QUICK)
    assert json.loads((restored / "a" / "summary.json").read_text())["metrics"]["ckdn-s"]["between_starts"] is not None
    wider = gains("c", "--steps", "6", "--starts", "1", "--side", "64", "--epsilon", "6", "--step-size", "1")
    assert all(wide > near for wide, near in zip(wider, first, strict=True))
    alone = json.loads((restored / "c" / "summary.json").read_text())
    assert alone["metrics"]["ckdn-s"]["between_starts"] is None  # of one start
    cell = (restored / "c" / "report.html").read_text().split('data-label="between starts">')[1]
    assert cell.startswith("\N{EN DASH}<")


def test_metrics_that_are_not_differentiable_are_said_to_be_before_the_run(run, restored):
    code, _, err = run(
        *("probe", "--images", restored / "restored", "--scorer", "ckdn-s", "--pyiqa", "entropy", "--pyiqa", "piqe"),
        *("--out", restored / "out", *QUICK),
    )
    assert code == 2
    assert "entropy, piqe: not differentiable" in err and "leave them out" in err
    assert not (restored / "out").exists()


def test_a_broken_image_is_listed_and_the_others_are_probed(run, restored):
    (restored / "restored" / "0_broken.png").write_text("no image")
    Image.new("RGB", (9, 200)).save(restored / "restored" / "1_narrow.png")
    code, printed, err = run(
        "probe", "--images", restored / "restored", "--scorer", "ckdn-s", "--out", restored / "out", *QUICK
    )
    assert code == 1 and "2 of 4 probes failed" in err
    # They failed for every metric there is
    assert "metrics were probed on different images" not in printed and printed.startswith("2 images; ")
    assert "0_broken.png" in (restored / "out" / "report.html").read_text()
    rows = list(csv.DictReader((restored / "out" / "scores.csv").open()))
    assert [row["reason"][:31] for row in rows][:1] == ["cannot read restored 0_broken.p"]
    assert [row["reason"][:11] for row in rows][1:] == ["restored is", "", ""]
    assert str(restored) not in err.split("irq:")[0]


class Broken(Metric):
    """A metric of somebody's that stumbles over one picture, and calls another no number."""

    def __init__(self):
        super().__init__("broken", "random weights", None, True)
        self.seen = 0

    def _score(self, restored, guide):
        self.seen += 1
        score = (restored * torch.linspace(0, 1, restored.shape[-1])).mean(dim=(1, 2, 3))
        if self.seen == 3:
            raise irq.ImageError("not this picture")
        return score * (math.nan if self.seen > 45 else 1)


def test_a_metric_that_breaks_on_an_image_ends_nothing_and_files_are_whole(run, restored, monkeypatch):
    steady = Broken()
    steady.seen = -(10**6)
    monkeypatch.setattr(metric, "build_metrics", lambda *_: {"broken": Broken(), "steady": steady})
    write(read_image(sorted(PHOTOGRAPHS.glob("*.png"))[2])[:, :64, :64], restored / "restored" / "third.png")
    code, printed, err = run(
        "probe", "--images", restored / "restored", "--scorer", "ckdn-s", "--out", restored / "out", *QUICK
    )
    assert code == 1 and "2 of 6 probes failed" in err
    document = json.loads((restored / "out" / "summary.json").read_text())
    assert document["metrics"]["steady"]["images"] == 3 and document["metrics"]["broken"]["images"] == 1
    assert {failure["reason"].split(":")[0] for failure in document["failures"]} >= {"not this picture"}
    assert any("nan" in failure["reason"] for failure in document["failures"])
    assert "note: metrics were probed on different images, since some failed" in printed
    assert "steady: random weights, whose gains mean nothing" in printed
    assert "random weights, whose gains mean nothing" in (restored / "out" / "report.html").read_text()


def test_a_probe_of_nothing_says_why(run, restored):
    for path in (restored / "restored").glob("*.png"):
        path.write_text("no image")
    code, _, err = run("probe", "--images", restored / "restored", "--scorer", "ckdn-s", "--out", restored / "out")
    assert code == 1 and "nothing could be probed; the first reason: cannot read" in err
    assert len(list(csv.DictReader((restored / "out" / "scores.csv").open()))) == 2


def test_images_without_a_partner_are_left_out_and_listed(run, restored):
    first = sorted((restored / "clean").glob("*.png"))[0]
    first.unlink()
    for path in (restored / "degraded").glob("*.png"):
        path.rename(path.with_name(f"{path.stem}_lq_v2.png"))
    write(torch.rand(3, 64, 64), restored / "degraded" / "nobodys_lq_v2.png")
    code, printed, err = run(
        *("probe", "--images", restored / "restored", "--degraded", restored / "degraded", "--scorer", "ckdn-s"),
        *("--reference", restored / "clean", "--match", "degraded={image}_lq_*", "--out", restored / "out", *QUICK),
    )
    document = json.loads((restored / "out" / "summary.json").read_text())
    assert code == 0 and "2 files or partners are unpaired; an image without all of its partners is left" in printed
    assert document["images"] == 1
    listed = {f"{one['folder']}/{one['file']}": one["reason"] for one in document["unpaired"]}
    assert listed == {
        "degraded/nobodys_lq_v2.png": "no method restored it",
        f"reference/{first.stem}": "no file of it",
    }
    page = (restored / "out" / "report.html").read_text()
    for name, reason in listed.items():
        assert f"unpaired: {name}: {reason}" in err and f"<code>{name.split('/')[1]}</code> {reason}" in page


def test_a_pattern_chooses_images_without_partners_too(run, restored):
    first, second = sorted((restored / "restored").glob("*.png"))
    first.rename(first.with_name("wanted_7.png"))
    line = ("probe", "--images", restored / "restored", "--scorer", "ckdn-s", "--out", restored / "out", *QUICK)
    code, printed, err = run(*line, "--match", "{image}_7")
    assert code == 0 and printed.startswith("1 image; ")
    assert f"unpaired: restored/{second.name}: its name does not fit --match" in err
    code, _, err = run(*line, "--match", "reference={image}_7")
    assert code == 2 and "no folder is named 'reference'" in err


def test_a_folder_can_be_moved_and_holds_no_path_of_the_machine(run, restored):
    run("probe", "--images", restored / "restored", "--scorer", "ckdn-s", "--out", restored / "out", *QUICK)
    (restored / "out").rename(restored / "moved")
    for row in csv.DictReader((restored / "moved" / "scores.csv").open()):
        assert (restored / "restored" / row["image"]).is_file() and (restored / "moved" / row["picture"]).is_file()
    for name in ("scores.csv", "summary.json", "report.html"):
        assert str(restored) not in (restored / "moved" / name).read_text()


def test_results_of_something_else_are_not_written_over(run, restored):
    def probe(*more):
        return run(
            "probe", "--images", restored / "restored", "--scorer", "ckdn-s", "--out", restored / "out", *QUICK, *more
        )

    (restored / "out").mkdir()
    (restored / "out" / "summary.json").write_text("of irq evaluate")
    code, _, err = probe()
    assert code == 2 and "something else (a summary.json)" in err
    assert (restored / "out" / "summary.json").read_text() == "of irq evaluate"
    (restored / "out" / "summary.json").unlink()
    assert probe()[0] == 0
    before = (restored / "out" / "scores.csv").read_bytes()
    assert probe()[0] == 0  # the same once more
    assert (restored / "out" / "scores.csv").read_bytes() == before
    code, _, err = probe("--epsilon", "3")
    assert code == 2 and "other options (epsilon_255 was 2 and is 3; step_255" in err
    assert (restored / "out" / "scores.csv").read_bytes() == before
    (restored / "out" / ".irq").write_text("{")
    code, _, err = probe()
    assert code == 2 and "is damaged" in err


def test_pictures_stay_in_their_folder_whatever_weights_are_called(run, restored):
    source = SHIPPED / "ckdn-s.safetensors"
    names = []
    for folder in ("a", "b"):
        (restored / folder).mkdir()
        names += ["--scorer", f"ckdn-s={shutil.copy(source, restored / folder / 'best.safetensors')}"]
    before = set(restored.rglob("*.png"))
    assert run("probe", "--images", restored / "restored", *names, "--out", restored / "out", *QUICK)[0] == 0
    made = set(restored.rglob("*.png")) - before
    assert made and all(path.is_relative_to(restored / "out" / "pictures") for path in made)
    assert len({path.parent for path in made if path.parent.name != "original"}) == 2


def test_where_there_is_no_terminal_progress_is_a_line_now_and_then(run, restored, monkeypatch):
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    _, printed, err = run(
        "probe", "--images", restored / "restored", "--scorer", "ckdn-s", "--out", restored / "out", *QUICK
    )
    assert re.search(r"irq: probing: 1 of 2 images, \S+ a second, 00:\d\d left\n", err)
    assert "2 images are few" in printed


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
        (("--pyiqa", "ssim"), "ssim needs --reference DIR"),
        (("--scorer", "ckdn"), "no weights of ckdn are at hand"),
        (("--scorer", "ckdn-s", "--match", "{image}_a", "--match", "{image}_b"), "has the pattern {image}_a already"),
        (("--scorer", "ckdn-s", "--device", "nowhere"), "--device nowhere"),
        (("--images", "nowhere", "--scorer", "ckdn-s"), "there is no such folder"),
        ((), "no metric is named"),
        (("--scorer", "ckdn-s", "--degraded", "."), "holds no image"),
    ],
)
def test_wrong_calls_are_refused_before_the_run(run, restored, monkeypatch, arguments, message):
    monkeypatch.chdir(restored)
    if arguments[:1] == ("--pyiqa",):
        monkeypatch.setattr(metric, "build_metrics", lambda *_: pytest.fail("a metric was built"))
    given = arguments if "--images" in arguments else ("--images", restored / "restored", *arguments)
    code, _, err = run("probe", *given, "--out", restored / "out")
    assert code == 2
    assert message in err
    assert not (restored / "out").exists()
