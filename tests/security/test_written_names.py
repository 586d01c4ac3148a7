"""What is written, where: never through a link, never elsewhere than asked, whatever files are called."""

import ast
import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ir_quality_plugin
from ir_quality_plugin.checkpoints.write import whole
from ir_quality_plugin.engine.log import Log
from ir_quality_plugin.errors import CheckpointError

PACKAGE = Path(ir_quality_plugin.__file__).parent


@pytest.fixture
def images(tmp_path):
    """Names that a shell, a terminal or a path would take for something else."""
    draw = np.random.RandomState(0)
    (tmp_path / "images").mkdir()
    for name in ("..", "$(touch executed)", "`touch executed`", "; touch executed", "-rf", "a\nb", "a\x1b[2Jb", "%s%n"):
        picture = Image.fromarray(draw.randint(0, 256, (32, 32, 3), dtype=np.uint8))
        picture.save(tmp_path / "images" / f"{name}_.png")
    return tmp_path / "images"


def everything(folder):
    return {path.relative_to(folder) for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", "--restored", "m=IMAGES", "--scorer", "teacheriqa-s"),
        ("evaluate", "--restored", "../../m=IMAGES", "--scorer", "teacheriqa-s"),
        ("probe", "--images", "IMAGES", "--scorer", "ckdn-s", "--steps", "1", "--starts", "1", "--side", "32"),
    ],
    ids=["evaluate", "method", "probe"],
)
def test_names_lead_nowhere_else(run, images, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    if command[0] == "probe":
        for path in sorted(images.iterdir())[3:]:
            path.unlink()
    before = everything(tmp_path)
    code, said = run(*(word.replace("IMAGES", str(images)) for word in command), "--out", tmp_path / "out")
    assert code == 0, said
    assert all(path.parts[0] == "out" for path in everything(tmp_path) - before)
    assert "\x1b" not in said


AT_A_TERMINAL = """
import sys
from ir_quality_plugin.cli.app import main
for line in open(sys.argv[1]).read().split("\\0"):
    sys.argv = ["irq", *line.split("\\1")]
    try:
        main()
    except SystemExit as stop:
        print("code", stop.code)
"""


def at_a_terminal(tmp_path, *calls):
    """What commands write to a terminal, from which click strips nothing."""
    (tmp_path / "calls").write_text("\0".join("\1".join(map(str, call)) for call in calls))
    master, slave = pty.openpty()
    line = [sys.executable, "-c", AT_A_TERMINAL, tmp_path / "calls"]
    said = b""
    with subprocess.Popen(line, stdin=slave, stdout=slave, stderr=slave, cwd=tmp_path):
        os.close(slave)
        with contextlib.suppress(OSError):  # by which a terminal says that nobody writes to it any more
            while part := os.read(master, 2**16):
                said += part
    os.close(master)
    return said.decode()


def test_a_terminal_is_told_nothing_by_names_and_errors(tmp_path):
    odd = "a\x1b]0;owned\x07\x1b[2J\nirq: all is well\x9b1m"
    images, others = tmp_path / "images", tmp_path / "others"
    for folder in (images, others):
        folder.mkdir()
    (images / f"{odd}.png").write_bytes(b"no image")
    Image.new("RGB", (32, 32)).save(others / "other.png")
    (tmp_path / f"{odd}.pth").write_bytes(b"no weights")
    (tmp_path / f"{odd}.yml").write_text("name: [")
    (tmp_path / "b.yml").write_text(f"name: {json.dumps(odd)}\nmodel_type: {json.dumps(odd)}\n{json.dumps(odd)}: 1\n")
    (tmp_path / "c.csv").write_text(f'image,mos,"{odd}"\n"{odd}.png",x,1\n')
    said = at_a_terminal(
        tmp_path,
        ["score", images, "--scorer", "teacheriqa-s"],
        ["score", images, "--scorer", "ckdn-s", "--degraded", others],
        ["weights", "verify", tmp_path / f"{odd}.pth"],
        ["recipes", "validate", tmp_path / f"{odd}.yml", tmp_path / "b.yml"],
        ["train", "-opt", tmp_path / "b.yml"],
        ["benchmark", "--labels", tmp_path / "c.csv", "--scorer", "ckdn-s", "--out", tmp_path / "out"],
        ["triplets", "--photographs", images, "--out", tmp_path / "made", "--workers", "1"],
    )
    assert len(re.findall(r"^code [12]", said, re.MULTILINE)) == 7 and "Traceback" not in said, said
    assert said.count("owned") >= 7, said
    own = {"\r", "\n"}  # of the lines themselves
    assert {letter for letter in said if not letter.isprintable()} <= own, said
    assert "\nirq: all is well" not in said.replace("\r", "")


def test_photographs_names_lead_nowhere_else(run, images, tmp_path):
    pytest.importorskip("basicsr")
    for path in sorted(images.iterdir())[2:]:
        path.unlink()
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (96, 96, 3), dtype=np.uint8)).save(images / "..^.png")
    before = everything(tmp_path)
    run("triplets", "--photographs", images, "--out", tmp_path / "out", "--workers", "1", "--side", "64")
    assert all(path.parts[0] == "out" for path in everything(tmp_path) - before)


def test_a_link_in_the_folder_of_results_is_replaced_not_followed(run, images, tmp_path):
    out, victim = tmp_path / "out", tmp_path / "victim"
    victim.write_text("precious")
    out.mkdir()
    for name in ("scores.csv", "summary.json", "report.html", ".irq.unfinished"):
        (out / name).symlink_to(victim)
    call = ("evaluate", "--restored", f"m={images}", "--scorer", "teacheriqa-s", "--out", out)
    assert run(*call)[0] == 2  # results of nobody's
    for name in ("scores.csv", "summary.json", "report.html"):
        (out / name).unlink()
    assert run(*call)[0] == 0
    for name in ("scores.csv", "summary.json", "report.html", ".irq"):
        (out / name).unlink()
        (out / name).symlink_to(victim)
    run(*call)
    assert victim.read_text() == "precious"


def test_a_link_in_the_place_of_the_lock_is_not_emptied(run, images, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".irq.lock").symlink_to(victim)
    code, said = run("evaluate", "--restored", f"m={images}", "--scorer", "teacheriqa-s", "--out", tmp_path / "out")
    assert victim.read_text() == "precious"
    assert code in (0, 1) and said


def test_whatever_is_written_whole_replaces_a_link(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "new").symlink_to(tmp_path / "victim")
    with whole(tmp_path / "new") as unfinished:
        unfinished.write_text("new")
    assert (tmp_path / "victim").read_text() == "precious"
    assert (tmp_path / "new").read_text() == "new" and not (tmp_path / "new").is_symlink()


def logged(path):
    log = Log(path)
    log.begin()
    log.write(kind="train", iter=1)


def test_a_log_of_a_run_replaces_a_link_and_is_not_written_through_one(tmp_path):
    victim, link = tmp_path / "victim", tmp_path / "log.jsonl"
    link.symlink_to(victim)  # which is not there yet: writing through the link would make it
    logged(link)
    assert not victim.exists() and not link.is_symlink()
    link.unlink()
    victim.write_text("precious")
    link.symlink_to(victim)
    with pytest.raises(CheckpointError, match="a link lies in its place"):
        Log(link).write(kind="train", iter=1)
    logged(link)
    assert victim.read_text() == "precious" and '"iter": 1' in link.read_text()


@pytest.mark.parametrize("there", [True, False])
def test_scores_of_labels_are_not_appended_through_a_link(tmp_path, there):
    pytest.importorskip("pyiqa")
    from ir_quality_plugin.integrations.labelling import ScoreLog

    victim, link = tmp_path / "victim", tmp_path / "labels.scores.jsonl"
    if there:
        victim.write_text("precious")
    link.symlink_to(victim)
    with pytest.raises(CheckpointError, match="a link lies in its place, and nothing is written through one"):
        ScoreLog(link).add(("a", "b"), {"ssim": 0.5})
    assert victim.read_text() == "precious" if there else not victim.exists()


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "smoke/../../x", "", "a\0b"])
def test_only_recipes_are_copied(run, tmp_path, name):
    code, said = run("recipes", "cp", name, tmp_path / "out")
    assert code == 2 and "no recipe is named" in said
    assert not (tmp_path / "out").exists()


def calls():
    """Every call and every import of the package, as (file, line, name)."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield path, node.lineno, ast.unparse(node.func)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    yield path, node.lineno, f"import {getattr(node, 'module', None) or alias.name}"


def test_no_shell_no_evaluation_no_pickle_and_no_network_in_the_package():
    forbidden = re.compile(
        r"import (subprocess|socket|http|urllib|requests|ctypes|marshal|shelve|dill|cloudpickle|telnetlib|ftplib)\b"
        r"|^(eval|exec|compile|__import__)$|\b(system|popen|exec\w+|spawn\w*|startfile)$"
        r"|pickle\.loads?$|np\.load$|numpy\.load$|yaml\.(unsafe_load|full_load|load_all)$|mktemp$|extractall$"
    )
    found = [f"{path.relative_to(PACKAGE)}:{line}: {name}" for path, line, name in calls() if forbidden.search(name)]
    assert found == []


def test_each_way_to_parse_is_used_in_one_place():
    """`torch.load`, `yaml.load`, `Image.open` and `safe_open` stand where their limits stand; scipy reads no file."""
    places = {}
    for path, _, name in calls():
        places.setdefault(name, set()).add(str(path.relative_to(PACKAGE)))
    assert places["torch.load"] == {"checkpoints/read.py"}
    assert places["yaml.load"] == {"data/yaml12.py"}
    assert not {"loadmat", "whosmat"} & places.keys()
    assert places["safe_open"] == {"checkpoints/read.py"}
    own = {"degradations/operators.py", "integrations/basicsr_datasets.py"}  # what they have just written to memory
    own |= {"report/probe_page.py"}  # pictures that the probe wrote
    own |= {"cli/demo.py"}  # photographs of scikit-image and matplotlib
    assert places["Image.open"] - own == {"data/images.py"}
