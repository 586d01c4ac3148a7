"""Each page that says how to add something is carried out in a copy of the project, its tests and commands included."""

from pathlib import Path

import pytest
from page_sessions import ScratchSession, blocks, copy_project, quiet_environment

import ir_quality_plugin.integrations

assert ir_quality_plugin.integrations  # BasicSR can be imported after it
PAGES = sorted((Path(__file__).parents[2] / "docs" / "extend").glob("*.md"))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_says_can_be_done(page, tmp_path, monkeypatch):
    pytest.importorskip("basicsr")
    pytest.importorskip("pyiqa")
    folder = copy_project(tmp_path / "project with a space")
    quiet_environment(monkeypatch, folder)
    session = ScratchSession(folder, {}, monkeypatch)
    for block in blocks(page):
        session.carry_out(block)


def test_the_layers_that_are_drawn_are_those_that_are_tested():
    from test_imports import LAYERS

    drawn = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text().split("```text\n")[1].split("```")[0]
    known = {name for names in LAYERS for name in names} - {"version", "train", "basicsr_train", "basicsr_test"}
    missing = {name for name in known if not name.startswith("__") and name not in drawn}
    assert missing == set()
