"""Files that were made to hurt, and what shows that they did."""

import io
import os
import pickle
import sys
import tarfile

import numpy as np
import pytest
import torch

import ir_quality_plugin.integrations
from ir_quality_plugin.cli import app

assert ir_quality_plugin.integrations  # BasicSR can be imported behind it


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch '{self.trace}'",)


@pytest.fixture
def trace(tmp_path):
    """A file that is there once something was executed."""
    path = tmp_path / "executed"
    yield path
    assert not path.exists(), "something in a file was executed"


def torch_file(content, zipped=True):
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def tar_file(payload):
    """As torch 0.1 wrote: storages, tensors and a pickle in a tar archive."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in ("sys_info", "storages", "tensors", "pickle"):
            content = pickle.dumps(payload)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def numpy_file(payload):
    file = io.BytesIO()
    np.save(file, np.array([payload], dtype=object), allow_pickle=True)
    return file.getvalue()


def torchscript(_):
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), file)
    return file.getvalue()


HOSTILE = {
    "zip": lambda payload: torch_file({"params": {"a": torch.ones(1)}, "extra": payload}),
    "legacy": lambda payload: torch_file({"params": {"a": torch.ones(1)}, "extra": payload}, zipped=False),
    "tar": tar_file,
    "pickle": lambda payload: pickle.dumps({"state_dict": payload}),
    "old pickle": lambda payload: pickle.dumps({"state_dict": payload}, protocol=0),
    "numpy": numpy_file,
}


@pytest.fixture(params=HOSTILE)
def hostile(request, tmp_path, trace):
    """A file of weights that runs a command when it is unpickled, in each form that there is."""
    path = tmp_path / "hostile.pth"
    path.write_bytes(HOSTILE[request.param](Payload(trace)))
    return path


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Call `irq` in this process: exit code, and what it said."""
    monkeypatch.setenv("IRQ_WEIGHTS", str(tmp_path / "weights"))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["irq", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            app.main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return stop.value.code or 0, said.out + said.err

    return call
