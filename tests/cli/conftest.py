"""`irq` in this process, with a weights folder of its own, photographs, and a released checkpoint."""

import sys

import numpy as np
import pytest
import torch
from golden import released_weights
from judged_images import write_judged
from PIL import Image

from ir_quality_plugin.cli import app


@pytest.fixture(autouse=True)
def own_weights_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("IRQ_WEIGHTS", str(tmp_path / "weights"))


@pytest.fixture
def run(monkeypatch, capsys):
    """Call the console entry in this process: exit code, standard output, standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["irq", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            app.main()
        output = capsys.readouterr()
        assert "Traceback" not in output.err
        return stop.value.code or 0, output.out, output.err

    return call


@pytest.fixture
def photos(tmp_path):
    """Three restored images and their degraded inputs at a half of the size."""
    draw = np.random.RandomState(0)
    for name in ("one", "two", "three"):
        for folder, size in (("restored", 64), ("degraded", 32)):
            path = tmp_path / folder / f"{name}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(draw.randint(0, 256, (size, size, 3), dtype=np.uint8)).save(path)
    return tmp_path


@pytest.fixture(scope="session")
def released(tmp_path_factory):
    path = tmp_path_factory.mktemp("released") / "CKDN.pth"
    torch.save({"state_dict": released_weights("ckdn")}, path)
    return path


@pytest.fixture
def judged(tmp_path):
    """Images, labels, and what they were restored from."""
    return write_judged(tmp_path)
