"""Runs of the engine start at the clone, from where recipes name their images."""

import subprocess

import pytest
from engine_runs import RECIPES, command

import ir_quality_plugin.integrations

pytest.importorskip("basicsr")
pytest.importorskip("pyiqa")

from ir_quality_plugin.integrations.register import register

assert ir_quality_plugin.integrations


@pytest.fixture(autouse=True)
def at_the_clone(monkeypatch):
    monkeypatch.chdir(RECIPES.parent)
    register()


@pytest.fixture
def launch():
    """Run a recipe of `recipes/smoke` to its end in processes of its own; gives what it printed."""

    def run(name, root, *overrides, processes=0, more=(), code=0):
        finished = subprocess.run(
            command(RECIPES / "smoke" / f"{name}.yml", root, *overrides, processes=processes, more=more),
            cwd=RECIPES.parent,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert finished.returncode == code, finished.stdout[-3000:] + finished.stderr[-5000:]
        return finished.stdout + finished.stderr

    return run
