"""What the weights that ship are worth at the least, and what their training tables keep apart."""

import runpy
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import ir_quality_plugin as irq
from ir_quality_plugin.checkpoints.read import read_card
from ir_quality_plugin.data.images import list_images, read_image
from ir_quality_plugin.degradations import OPERATORS, Step, degrade

ROOT = Path(__file__).parents[2]
WEIGHTS = sorted((ROOT / "ir_quality_plugin/weights").glob("*.safetensors"))
PHOTOGRAPHS = list_images(ROOT / "recipes/smoke/photographs/val/gt")
ANOTHER = ROOT / "recipes/smoke/photographs/train/gt/astronaut_0.png"
TABLES = runpy.run_path(str(ROOT / "recipes/compact/tables.py"))


@pytest.fixture(scope="module", params=["teacheriqa-s", "ckdn-s", "cvrkd-s"])
def scorer(request):
    return irq.load_scorer(request.param)


def spoiled(clean, operator, level):
    return degrade(clean, [[Step(operator, OPERATORS[operator].strength(level), level)]])


@pytest.mark.parametrize("operator", ["gaussian_blur", "gaussian_noise"])
@torch.inference_mode()
def test_a_photograph_is_above_itself_spoiled(scorer, operator):
    """ckdn-s, which needs an input, is given the spoiled picture: one score is that of a perfect restoration of it.

    JPEG is not asked: the scorers hardly see it on crops of this size (docs/limits.md).
    """
    another = read_image(ANOTHER)[None]
    for path in PHOTOGRAPHS:
        clean = read_image(path)[None]
        for level in (3, 5):
            bad = spoiled(clean, operator, level)
            restored, unrestored = (scorer(image, degraded=bad, reference=another).item() for image in (clean, bad))
            assert restored > unrestored, f"{path.name}, {operator} at level {level}"


def test_the_weights_are_in_half_precision_and_small_together():
    assert {path.stem for path in WEIGHTS} == {"ckdn-s", "cvrkd-s", "teacheriqa-s", "teacheriqa-s_teacher"}
    assert sum(path.stat().st_size for path in WEIGHTS) <= 24e6
    for path in WEIGHTS:
        with safe_open(path, framework="pt") as file:
            kinds = {file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118  # safe_open has no iterator
        assert {kind for kind in kinds if kind.is_floating_point} == {torch.float16}, path.name


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: path.stem)
def test_a_card_says_where_the_weights_come_from_and_whose_terms_they_have(path):
    card = read_card(path)
    assert card.licence.startswith("research use only")
    for said in ("recipes/", "seed", "Trained on", "Validation", "Known failures"):
        assert said in card.origin, said


def made_data(folder):
    """What `finish` reads, a little of it: a consensus on eight photographs, four judged scenes, two under water."""
    for name, columns, rows in (
        ("human/sr4kiqa", "image,reference,scene,scale,method,mos", [
            f"{scene}.png,{scene}.png,{scene},2,bicubic,3" for scene in (*list(TABLES["SCENES"])[::2], "Boat", "Tree")
        ]),
        ("human/pcuid", "image,mos", [f"{index}.png,50" for index in range(30)]),
    ):  # fmt: skip
        (folder / name).mkdir(parents=True)
        (folder / name / "scores.csv").write_text("\n".join((columns, *rows)) + "\n")
        for scene in {row.split(".")[0] for row in rows if name.endswith("sr4kiqa")}:
            TABLES["save"](torch.rand(3, 576, 704), folder / name / f"{scene}.png")
    rows = [
        {"image": f"{photograph}_{method}.png", "reference": f"{photograph}.png", "degraded": f"{photograph}_lq.png"}
        | {"mos": 0.5, "content": photograph, "distortion": method}
        for photograph in map("photograph_{}".format, range(40))
        for method in ("IMDN", "blur")
    ]
    (folder / "tables").mkdir()
    TABLES["write_table"](folder / "tables/consensus.csv", rows)
    return folder, folder / "tables"


def test_a_content_is_in_one_part_of_the_tables_and_the_scenes_that_are_left_out_in_no_training(tmp_path):
    data, out = made_data(tmp_path)
    TABLES["finish"](data, out, overlap=True, repeat_networks=4, repeat_scenes=2)
    for kind in ("blind", "guided"):
        parts = {part: TABLES["read_table"](out / f"{kind}_{part}.csv") for part in ("train", "val", "test")}
        contents = {part: {row["content"] for row in rows} for part, rows in parts.items()}
        assert all(contents.values())
        assert not contents["train"] & contents["val"] | contents["train"] & contents["test"]
        assert not contents["val"] & contents["test"]
        assert {"Boat", "Tree"} <= contents["train"] and not contents["train"] & set(TABLES["SCENES"])


def test_rare_rows_are_listed_as_often_as_asked_in_training_alone(tmp_path):
    data, out = made_data(tmp_path)

    def count(part, **found):
        rows = TABLES["read_table"](out / f"guided_{part}.csv")
        return sum(all(row[name] == value for name, value in found.items()) for row in rows)

    once = None
    for networks, scenes in ((1, 1), (4, 2)):
        TABLES["finish"](data, out, overlap=False, repeat_networks=networks, repeat_scenes=scenes)
        counts = [count("train", distortion="IMDN"), count("train", content="Boat"), count("val", distortion="IMDN")]
        once = once or counts
        assert counts == [once[0] * networks, once[1] * scenes, once[2]] and min(once) > 0
