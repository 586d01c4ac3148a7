"""The dependencies that read other people's files: each has a least version, and what limits it."""

import configparser
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
# Reads untrusted files -> the first version without a known way for a file to do harm, and the reason.
LEAST = {
    "torch": ("2.10", "CVE-2026-24747 and CVE-2025-32434: code by a file of weights"),
    "pillow": ("12.3", "PYSEC-2026-2253 to 2257, 3451 to 3453, and before: memory by a picture"),
    "safetensors": ("0.4.3", "none known"),
    "pyyaml": ("6", "CVE-2020-14343 and before: code by a tag"),
    "jinja2": ("3.1.6", "CVE-2025-27516 and before: out of the sandbox, which is not used"),
    "filelock": ("3.20.3", "CVE-2025-68146 and CVE-2026-22701: a link in the place of the lock is emptied"),
}


def requirements():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = [line for line in setup["options"]["install_requires"].splitlines() if line.strip()]
    return {requirement.name: requirement for requirement in map(Requirement, lines)}


@pytest.mark.parametrize("name", LEAST)
def test_no_version_with_a_known_hole_is_allowed(name):
    requirement = requirements()[name]
    floor = next(Version(one.version) for one in requirement.specifier if one.operator == ">=")
    assert floor >= Version(LEAST[name][0]), LEAST[name][1]


def test_the_pinned_versions_are_among_those_that_are_allowed():
    pins = dict(
        line.lower().split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    )
    assert [name for name, one in requirements().items() if pins[name] not in one.specifier] == []


def test_the_dependencies_that_read_files_are_named_with_their_limits():
    text = (ROOT / "SECURITY.md").read_text()
    for name, (version, _) in LEAST.items():
        assert re.search(rf"\| {name} \| {re.escape(version)} \|", text), name


def test_every_promise_names_a_test_that_is_there():
    text = (ROOT / "SECURITY.md").read_text()
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", text))
    assert len(named) > 4
    assert [path for path in named if not (ROOT / path).is_file()] == []
    own = {f"tests/security/{path.name}" for path in Path(__file__).parent.glob("test_*.py")}
    assert own <= named
