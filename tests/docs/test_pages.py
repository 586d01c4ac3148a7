"""Every command and snippet of the hand-written pages runs as it stands, page by page, as a reader would go through."""

from pathlib import Path

import pytest
import torch
from golden import released_weights
from page_sessions import (
    Session,
    blocks,
    names_of_a_batch,
    quiet_environment,
    write_reader_folders,
    write_small_pipal,
)

import ir_quality_plugin.integrations

assert ir_quality_plugin.integrations  # BasicSR can be imported after it

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if path.name != "decisions.md" and path.parent.name != "extend")
RELEASED = "CKDN_model_best-38b27dc6.pth"


@pytest.fixture
def session(tmp_path, monkeypatch):
    quiet_environment(monkeypatch, tmp_path)
    write_reader_folders(tmp_path)
    write_small_pipal(tmp_path / "datasets" / "pipal")
    torch.save({"state_dict": released_weights("ckdn")}, tmp_path / RELEASED)
    return Session(tmp_path, names_of_a_batch(), monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_everything_on_a_page_runs(page, session):
    pytest.importorskip("basicsr")
    pytest.importorskip("pyiqa")
    for block in blocks(page):
        session.carry_out(block)


def test_no_block_escapes_the_sessions():
    """A fence that the sessions' pattern does not see would not be tested."""
    for page in PAGES:
        fences = sum(line.startswith("```") for line in page.read_text().splitlines())
        assert fences == 2 * len(blocks(page)), page
