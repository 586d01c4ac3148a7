"""Every command of the README and of CONTRIBUTING is one that the command line, the launchers and make take."""

import re
from pathlib import Path

import pytest
from page_sessions import LAUNCHERS, Block, Session, commands, parse_irq

ROOT = Path(__file__).parents[2]
PLACEHOLDERS = {"FILE": "recipes/basicsr/sr_x4_ckdn.yml"}


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
        if name in ("irq", ".venv/bin/irq"):
            parse_irq(rest)
        elif name in LAUNCHERS or name in ("make", "pip"):
            session._command(words, False)
        else:
            assert name.startswith(".venv/bin/"), words
        seen += 1
    assert seen > 3


def test_every_recipe_that_is_named_ships():
    named = set(re.findall(r"recipes/[\w/]+\.(?:yml|yaml|sh)", (ROOT / "README.md").read_text()))
    assert named
    assert {path for path in named if not (ROOT / path).is_file()} == set()
