"""Labels without people: what the table holds, what a second run computes, and what is refused."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch

import ir_quality_plugin as irq
import ir_quality_plugin.integrations

pytest.importorskip("basicsr")
pytest.importorskip("pyiqa")

from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.data.labels import Triplet
from ir_quality_plugin.data.readers import read_labels
from ir_quality_plugin.integrations import judges as judges_module
from ir_quality_plugin.integrations.judges import TEACHER
from ir_quality_plugin.integrations.labelling import label
from ir_quality_plugin.integrations.saved_networks import SavedNetwork, options_beside
from ir_quality_plugin.metrics.feature_statistics import stages_of, statistics_distance
from ir_quality_plugin.models import RestorationTeacher

PHOTOGRAPHS = Path(__file__).parents[2] / "recipes" / "smoke" / "photographs" / "train"
TEACHER_OPTIONS = {"stem_width": 16, "planes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "expansion": 2}
METRICS = ("ssim", "gmsd")


@pytest.fixture
def triplets(tmp_path):
    """Noisy photographs against clean ones, and one clean photograph against itself."""
    found = []
    for name in ("astronaut_0", "astronaut_1", "chelsea_0", "rocket_0"):
        for folder in ("gt", "noise25"):
            (tmp_path / folder).mkdir(exist_ok=True)
            shutil.copy(PHOTOGRAPHS / folder / f"{name}.png", tmp_path / folder)
        noisy, clean = tmp_path / "noise25" / f"{name}.png", tmp_path / "gt" / f"{name}.png"
        found.append(Triplet(noisy, clean, noisy, name, "noise"))
    return [*found, Triplet(found[0].reference, found[0].reference, None, "astronaut_0", "clean")]


@pytest.fixture
def teacher(tmp_path):
    torch.manual_seed(0)
    network = RestorationTeacher(**TEACHER_OPTIONS)
    path = tmp_path / "experiments" / "teacher" / "models" / "net_g_1.pth"
    path.parent.mkdir(parents=True)
    torch.save({"params": network.state_dict()}, path)
    return SavedNetwork(path, {"network_g": {"type": "TeacherRestorationNet", **TEACHER_OPTIONS}})


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_is_one_that_the_reader_takes_with_raw_scores_and_the_best_on_top(triplets, tmp_path):
    out = tmp_path / "labels" / "labels.csv"
    done = label(triplets, out, METRICS)
    assert (done.images, done.failures) == (5, {})
    table = read_labels("csv", out)
    assert not table.notes
    assert table.higher_is_better
    best = max(table.rows, key=lambda row: row.mos)
    assert (best.distortion, best.mos) == ("clean", 0.9)  # the top of five, half of itself left out
    assert table.rows[0].reference.resolve() == triplets[0].reference
    assert table.rows[0].degraded.resolve() == triplets[0].degraded
    assert [row.content for row in table.rows] == [triplet.content for triplet in triplets]
    clean = rows_of(out)[4]
    assert (float(clean["ssim"]), float(clean["gmsd"])) == (pytest.approx(1), pytest.approx(0, abs=1e-6))
    card = json.loads(out.with_suffix(".json").read_text())
    assert card["human_opinions"] is False
    assert card["metrics"]["gmsd"]["higher_is_better"] is False


def test_the_teacher_has_half_of_the_weight_and_its_distance_is_the_formulas(triplets, teacher, tmp_path):
    done = label(triplets, tmp_path / "labels.csv", METRICS, teacher)
    assert done.weights == {"ssim": 0.25, "gmsd": 0.25, TEACHER: 0.5}
    network = RestorationTeacher(**TEACHER_OPTIONS)
    network.load_state_dict(torch.load(teacher.weights, weights_only=True)["params"])
    with torch.no_grad():
        noisy, clean = (
            stages_of(read_image(path)[None], network.eval().encoder)
            for path in (triplets[1].image, triplets[1].reference)
        )
    found = float(rows_of(tmp_path / "labels.csv")[1][TEACHER])
    assert found == pytest.approx(statistics_distance(noisy, clean).item(), rel=1e-4)
    label(triplets, tmp_path / "weighted.csv", METRICS, teacher, {"ssim": 0, "gmsd": 0})
    distances = [float(row[TEACHER]) for row in rows_of(tmp_path / "weighted.csv")]
    labels = [float(row["mos"]) for row in rows_of(tmp_path / "weighted.csv")]
    assert sorted(range(5), key=lambda i: distances[i]) == sorted(range(5), key=lambda i: -labels[i])


def test_a_second_run_computes_only_what_is_new_or_has_changed(triplets, teacher, tmp_path, monkeypatch):
    asked = []
    original = judges_module.Judges.__call__

    def spy(self, image, reference, names):
        asked.append((image.name, *names))
        return original(self, image, reference, names)

    monkeypatch.setattr(judges_module.Judges, "__call__", spy)
    out = tmp_path / "labels.csv"
    label(triplets, out, METRICS)
    first = out.read_bytes()
    asked.clear()
    label(triplets, out, METRICS)
    assert (asked, out.read_bytes()) == ([], first)
    label(triplets, out, METRICS, teacher)
    assert {names[1:] for names in asked} == {(TEACHER,)}
    asked.clear()
    shutil.copy(triplets[1].image, triplets[0].image)  # other pixels under the same name
    label([triplets[0]], out, METRICS, teacher)
    assert asked == [("astronaut_0.png", *METRICS, TEACHER)]


def test_a_line_torn_by_a_kill_is_computed_again_and_the_rest_kept(triplets, tmp_path):
    out = tmp_path / "labels.csv"
    label(triplets, out, METRICS)
    whole, log = out.read_bytes(), tmp_path / "labels.scores.jsonl"
    log.write_bytes(log.read_bytes()[:-40])
    out.unlink()
    label(triplets, out, METRICS)
    assert out.read_bytes() == whole
    assert len(log.read_bytes().splitlines()) == 6  # five, and what is left of the torn one
    label(triplets, out, METRICS)
    assert len(log.read_bytes().splitlines()) == 6


def test_bad_images_are_counted_by_reason_and_the_others_labelled(triplets, tmp_path):
    triplets[0].reference.write_bytes(b"no image")  # also the last one's
    triplets[1].image.unlink()
    done = label(triplets, tmp_path / "labels.csv", METRICS)
    assert done.images == 2
    assert sorted(done.failures.values()) == [1, 2] or sum(done.failures.values()) == 3
    assert any("astronaut_1.png: No such file" in reason for reason in done.failures)
    assert any("astronaut_0.png: it is no image" in reason for reason in done.failures)
    with pytest.raises(irq.ImageError, match="none of the 1 images could be judged"):
        label(triplets[:1], tmp_path / "none.csv", METRICS)


def test_sizes_that_differ_and_metrics_that_refuse_are_reasons(triplets, tmp_path):
    from PIL import Image

    Image.open(triplets[0].image).crop((0, 0, 64, 96)).save(triplets[0].image)
    done = label(triplets, tmp_path / "labels.csv", METRICS)
    assert any("is 96x64 and its reference 96x96" in reason for reason in done.failures)
    with pytest.raises(irq.ImageError, match="ms_ssim refuses its 96x96 pixels"):
        label(triplets[1:2], tmp_path / "small.csv", ("ms_ssim",))


@pytest.mark.parametrize(
    ("metrics", "weights", "message"),
    [
        (("sim",), None, "pyiqa has no metric 'sim'"),
        (("ssim", "ssim"), None, "named twice"),
        (("piqe",), None, "looks at the restored image alone"),
        ((), None, "nothing to label with"),
        (("ssim",), {"gmsd": 1.0}, "a weight is given for 'gmsd'"),
        (("ssim",), {"ssim": 0.0}, "one above 0"),
    ],
)
def test_what_cannot_judge_is_refused_before_anything_is_computed(triplets, tmp_path, metrics, weights, message):
    with pytest.raises(irq.UsageError, match=message):
        label(triplets[:1], tmp_path / "labels.csv", metrics, weights=weights)


def test_a_teacher_of_another_kind_or_size_is_refused(triplets, teacher, tmp_path):
    other = SavedNetwork(teacher.weights, {"type": "MSRResNet"})
    with pytest.raises(irq.UsageError, match="is of type 'MSRResNet'"):
        label(triplets, tmp_path / "labels.csv", METRICS, other)
    wide = SavedNetwork(teacher.weights, {"type": "TeacherRestorationNet", **TEACHER_OPTIONS, "stem_width": 32})
    with pytest.raises(irq.CheckpointError, match="entries do not fit"):
        label(triplets, tmp_path / "labels.csv", METRICS, wide)
    with pytest.raises(irq.UsageError, match="have no network_g with a type"):
        label(triplets, tmp_path / "labels.csv", METRICS, SavedNetwork(teacher.weights, {"name": "x"}))


def test_the_option_file_of_a_run_is_found_beside_its_weights(teacher):
    run = teacher.weights.parents[1]
    with pytest.raises(irq.UsageError, match="has 0 option files"):
        options_beside(teacher.weights)
    (run / "teacher.yml").write_text("{}")
    assert options_beside(teacher.weights) == run / "teacher.yml"
    (run / "options.yml").write_text("{}")
    assert options_beside(teacher.weights) == run / "options.yml"
