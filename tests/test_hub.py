"""`torch.hub` from a clone: every entry point, and what it depends on."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import ir_quality_plugin as irq
from ir_quality_plugin.catalog import CATALOG

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["teacheriqa_s", "ckdn_s", "cvrkd_s"])
def test_the_hub_gives_the_scorers_that_ship(name):
    image = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    scorer = torch.hub.load(str(ROOT), name, source="local")
    own = irq.load_scorer(name.replace("_", "-"))
    assert torch.equal(scorer(image, image, image.flip(3)), own(image, image, image.flip(3)))


def test_the_hub_hands_options_on():
    scorer = torch.hub.load(str(ROOT), "ckdn", source="local", weights="random", protocol="whole")
    assert (scorer.card.name, scorer.protocol) == ("ckdn", "whole")
    loss = torch.hub.load(str(ROOT), "quality_loss", source="local", ceiling="reference")
    assert loss.needs == {"degraded", "reference"}


def test_every_scorer_is_an_entry_point():
    tree = ast.parse((ROOT / "hubconf.py").read_text())
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {name.replace("-", "_") for name in CATALOG} <= functions


def test_the_stated_dependencies_are_those_that_are_imported():
    code = (
        "import sys, torch; torch.hub.load(sys.argv[1], 'quality_loss', source='local'); import hubconf;"
        "print(sorted(set(hubconf.dependencies) - set(sys.modules)));"
        "print([name for name in ('scipy', 'kornia', 'accelerate', 'typer', 'yaml') if name in sys.modules])"
    )
    path = f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
    run = subprocess.run([sys.executable, "-c", path + code, str(ROOT)], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-2:] == ["[]", "[]"]
