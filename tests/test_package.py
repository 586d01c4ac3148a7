"""What a user installs: wheel and source distribution hold what they should, and the wheel works from anywhere."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

import ir_quality_plugin as irq

ROOT = Path(__file__).parents[1]
FILES = ["setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "THIRD_PARTY_NOTICES", "CHANGELOG.md"]
FILES += ["CITATION.cff", "SECURITY.md", "hubconf.py"]
FOLDERS = ["ir_quality_plugin", "recipes", "tests", "docs", "benchmarks"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the source distribution of a copy of this tree, made by the installed build tools."""
    if find_spec("build") is None or find_spec("setuptools") is None:
        pytest.skip("the build tools are not installed: pip install build setuptools wheel")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in FILES:
        shutil.copyfile(ROOT / name, source / name)
    for name in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-2000:]
    return out


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The wheel, unpacked where nothing else of the project lies."""
    (path,) = built.glob("*.whl")
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def tracked(suffixes, folder):
    return {
        str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*") if path.suffix in suffixes and path.is_file()
    }


def test_the_wheel_holds_code_weights_recipes_templates_and_licences(wheel):
    names = set(wheel.namelist())
    code = tracked({".py", ".typed", ".j2", ".safetensors"}, "ir_quality_plugin")
    assert {name for name in code if not name.startswith("ir_quality_plugin/recipes/")} <= names
    data = tracked({".yml", ".yaml", ".sh", ".py", ".json", ".png", ".jpg", ".csv", ".txt"}, "recipes")
    assert {f"ir_quality_plugin/{name}" for name in data} - names == set()
    assert any(name.endswith("licenses/THIRD_PARTY_NOTICES") for name in names)
    assert "ir_quality_plugin/weights/LICENSE" in names  # beside what it is about, and where installers look
    assert any(name.endswith("licenses/ir_quality_plugin/weights/LICENSE") for name in names)


def test_the_wheel_holds_nothing_else(wheel):
    for name in wheel.namelist():
        top = name.split("/")[0]
        assert top == "ir_quality_plugin" or top.endswith(".dist-info"), name
        assert not re.search(r"(^|/)(tests?|docs|benchmarks|__pycache__)/|\.pyc$|~$|\.unfinished$", name), name
    assert sum(entry.file_size for entry in wheel.infolist()) < 15e6


def test_the_source_distribution_holds_the_package_and_no_tests(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "setup.cfg",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CITATION.cff",
        "SECURITY.md",
    } <= names
    assert {f"ir_quality_plugin/weights/{name}-s.safetensors" for name in ("ckdn", "cvrkd", "teacheriqa")} <= names
    assert {"ir_quality_plugin/recipes/schema.json", "ir_quality_plugin/weights/LICENSE"} <= names
    assert not [name for name in names if name.startswith(("tests", "benchmarks"))]


def test_the_wheel_says_what_it_needs_and_who_made_it(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith("METADATA")]
    text = wheel.read(name).decode()
    assert f"Version: {irq.__version__}\n" in text
    assert "Requires-Python: <3.13,>=3.11" in text
    assert "License-Expression: Apache-2.0 AND LicenseRef-research-only-weights\n" in text
    assert {"basicsr", "pyiqa", "all", "dev", "docs"} == set(re.findall(r"Provides-Extra: (\w+)", text))
    always = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)[^\n]*$", text, re.MULTILINE)
    assert "torch" in always and not {"basicsr", "pyiqa"} & set(always)


def run(installed, folder, *arguments):
    """`irq` of the unpacked wheel, in a folder of its own."""
    environment = {**os.environ, "PYTHONPATH": str(installed), "IRQ_WEIGHTS": str(folder / "weights")}
    command = [sys.executable, "-m", "ir_quality_plugin", *arguments]
    finished = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout[-1500:] + finished.stderr[-1500:]
    return finished.stdout


def test_an_installed_wheel_scores_with_its_own_weights(installed, tmp_path):
    photographs = ROOT / "recipes" / "smoke" / "photographs" / "val"
    output = run(
        installed, tmp_path, "score", str(photographs / "gt" / "coffee_0.png"),
        "--degraded", str(photographs / "x4" / "coffee_0.png"), "--scorer", "ckdn-s", "--json",
    )  # fmt: skip
    assert "coffee_0" in output and json.loads(output)


def test_a_recipe_copied_from_an_installed_wheel_is_complete(installed, tmp_path):
    """The one whose photographs, table and labels are of the most kinds of files."""
    pytest.importorskip("pyiqa")
    run(installed, tmp_path, "recipes", "cp", "ckdn/smoke", ".")
    assert "ok" in run(installed, tmp_path, "recipes", "validate", "recipes/ckdn/smoke.yml", "--images")


def test_the_version_stands_in_one_place_and_the_citation_agrees():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == irq.__version__
    assert "attr: ir_quality_plugin.version.__version__" in (ROOT / "setup.cfg").read_text()
    assert len(citation["references"]) == 3
    assert [entry["name"] for entry in citation["authors"]] == ["The ir_quality_plugin authors"]


def test_the_hooks_before_a_commit_are_the_tools_of_the_environment():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert {tuple(hook["entry"].split()[:3]) for hook in repository["hooks"]} == {
        (".venv/bin/python", "-m", "ruff"),
        (".venv/bin/python", "-m", "mypy"),
    }


def test_the_description_of_the_package_leads_nowhere_outside_of_a_clone():
    """On a package's page, a relative link or picture of README.md would be broken."""
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[1] / "setup.cfg")
    text = setup["metadata"]["long_description"]
    assert len(text) > 200 and "file:" not in text
    assert re.findall(r"\]\((?!https?://)", text) == []
