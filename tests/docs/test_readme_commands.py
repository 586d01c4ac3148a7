"""The README's commands run as they stand, in their order; launchers, make and CONTRIBUTING's are taken by a parser."""

import csv
import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from golden import released_weights
from page_sessions import (
    LAUNCHERS,
    Block,
    Session,
    commands,
    parse_irq,
    quiet_environment,
    write_reader_folders,
)

import ir_quality_plugin.integrations

assert ir_quality_plugin.integrations  # BasicSR can be imported after it

ROOT = Path(__file__).parents[2]
PLACEHOLDERS = {"FILE": "recipes/basicsr/sr_x4_ckdn.yml"}
# Commands that are taken, and not run here: `make demo` has a test of its own, a doctor's verdict is the machine's.
NOT_RUN = {
    "doctor": "what it finds depends on the machine",
    "train -opt FILE": "a placeholder; the recipe that is named elsewhere is run",
    "train -opt recipes/ckdn/pipal.yml --repeats 10": "the whole set, ten times",
}
# What is added for less work of the same kind.
LESS = {
    "benchmark": ["--resamples", "100"],
    "probe": ["--steps", "2", "--starts", "1", "--limit", "2", "--side", "64"],
    "triplets": ["--crop", "64", "--inputs", "1", "--restorations", "2", "--workers", "1"],
    "label": ["--metric", "gmsd", "--workers", "1"],
}
TEACHER_OPTIONS = {"stem_width": 16, "planes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "expansion": 2}
PHOTOGRAPHS = ROOT / "recipes" / "smoke" / "photographs"


def written(page):
    """The commands of the blocks that name no language, or bash."""
    fences = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    texts = [text for language, text in fences if language in ("", "bash")]
    found = [words for text in texts for words in commands(Block("bash", "", text, True))]
    return [words for words in found if "..." not in words]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_command_is_taken(page, tmp_path, monkeypatch):
    session, seen = Session(tmp_path, {}, monkeypatch), 0
    for words in written(page):
        words = [PLACEHOLDERS.get(word, word) for word in words]
        name, *rest = words
        if name == "irq":
            parse_irq(rest)
        elif name in LAUNCHERS or name in ("make", "pip"):
            session._command(words, False)
        else:
            assert name.startswith(".venv/bin/") or words == ["source", ".venv/bin/activate"], words
        seen += 1
    assert seen > 3


def test_every_recipe_that_is_named_ships():
    named = set(re.findall(r"recipes/[\w/]+\.(?:yml|yaml|sh)", (ROOT / "README.md").read_text()))
    assert named
    assert {path for path in named if not (ROOT / path).is_file()} == set()


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """What the README takes as given beside the clone: folders of images, released files, opinions, a teacher."""
    quiet_environment(monkeypatch, tmp_path)
    write_reader_folders(tmp_path)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    shutil.copytree(tmp_path / "out" / "ours", tmp_path / "restored")
    shutil.copytree(PHOTOGRAPHS / "val" / "gt", tmp_path / "photographs")
    for name in ("restored.png", "any_clean_photo.png", "photo.png"):
        shutil.copyfile(min((tmp_path / "restored").iterdir()), tmp_path / name)
    shutil.copyfile(ROOT / "recipes" / "smoke" / "sr_x4_l1.yml", tmp_path / "my.yml")
    for name, method in (("CKDN_model_best-38b27dc6.pth", "ckdn"), ("NAR_student_cross_dataset.pth", "cvrkd")):
        torch.save({"state_dict": released_weights(method)}, tmp_path / name)
    write_opinions(tmp_path / "DIR")
    shutil.copyfile(tmp_path / "DIR" / "scores.csv", tmp_path / "scores.csv")
    write_teacher(tmp_path / "experiments" / "teacher")
    return Session(tmp_path, {}, monkeypatch)


def write_opinions(folder):
    """Six contents, in the layout of KADID-10k, and the same in a CSV."""
    (folder / "images").mkdir(parents=True)
    listed, rows = [["dist_img", "ref_img", "dmos", "var"]], [["image", "mos", "reference", "degraded"]]
    pictures = sorted((PHOTOGRAPHS / "train" / "gt").glob("*.png"))[:6]
    for index, path in enumerate(pictures, 1):
        shutil.copyfile(path, folder / "images" / f"I{index:02}.png")
        for level in (1, 2):
            name = f"I{index:02}_01_{level:02}.png"
            shutil.copyfile(pictures[(index + level) % len(pictures)], folder / "images" / name)
            listed.append([name, f"I{index:02}.png", f"{1 + (index * level) % 4}.5", "0.2"])
            rows.append([f"images/{name}", listed[-1][2], f"images/I{index:02}.png", f"images/I{index:02}.png"])
    for path, lines in ((folder / "dmos.csv", listed), (folder / "scores.csv", rows)):
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(lines)


def write_teacher(folder):
    from ir_quality_plugin.models import RestorationTeacher

    (folder / "models").mkdir(parents=True)
    torch.manual_seed(0)
    torch.save({"params": RestorationTeacher(**TEACHER_OPTIONS).state_dict()}, folder / "models" / "net_g_latest.pth")
    options = {"name": "teacher", "network_g": {"type": "TeacherRestorationNet", **TEACHER_OPTIONS}}
    (folder / "options.yml").write_text(yaml.safe_dump(options))


@pytest.mark.slow
def test_every_command_of_the_readme_runs(clone):
    pytest.importorskip("basicsr")
    pytest.importorskip("pyiqa")
    left, ran = set(NOT_RUN), 0
    for name, *rest in written("README.md"):
        if name != "irq" or " ".join(rest) in NOT_RUN:
            left.discard(" ".join(rest))
            continue
        words = [path for word in rest for path in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]
        clone._irq([*words, *LESS.get(rest[0], [])])
        ran += 1
    assert (left, ran) == (set(), 19)
    for made in ("evaluation/report.html", "evaluation_gt/report.html", "benchmark/report.html", "probe/report.html"):
        assert Path(made).is_file()
    for made in ("made/labels.csv", "made/sheet.png", "sheet.png", "experiments/smoke_ckdn/models/scorer.safetensors"):
        assert Path(made).is_file()
