"""The fuzz's own judgement: a harness that passes everything would find nothing."""

import pickle
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ir_quality_plugin.integrations
from ir_quality_plugin.errors import UsageError

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
pytest.importorskip("basicsr")

import fuzz

assert ir_quality_plugin.integrations  # BasicSR can be imported behind it


def says(words):
    def use(path):
        raise UsageError(words)

    return use


def writes(place):
    return lambda path: (path.parent / place).write_text("beside")


DEEDS = {
    "a result": (lambda path: path.read_bytes(), "result"),
    "writing in its folder": (writes("beside.txt"), "result"),
    "an error of ours": (says("expected another file"), "own error"),
    "an empty error of ours": (says(" "), "an error that says nothing"),
    "an error of somebody else's": (lambda path: {}[path], "foreign error"),
    "leaving the process": (lambda path: sys.exit(0), "foreign error"),
    "no end": (lambda path: time.sleep(30), "hang"),
    "writing elsewhere": (writes("../elsewhere.txt"), "forbidden deed"),
    "making a folder elsewhere": (lambda path: (path.parent / "../folder").mkdir(), "forbidden deed"),
    "removing elsewhere": (lambda path: (path.parent / "../precious").unlink(), "forbidden deed"),
    "starting a process": (lambda path: subprocess.run(["true"], check=True), "forbidden deed"),
    "unpickling": (lambda path: pickle.loads(pickle.dumps(Path(".."))), "forbidden deed"),
    "asking the network": (lambda path: socket.socket().connect_ex(("127.0.0.1", 9)), "forbidden deed"),
}


@pytest.fixture(scope="module")
def watch(tmp_path_factory):
    return fuzz.Watch(tmp_path_factory.mktemp("fuzz") / "case")


@pytest.mark.parametrize("deed", DEEDS)
def test_every_end_is_called_by_its_name(deed, watch, monkeypatch):
    monkeypatch.setattr(fuzz, "SECONDS", 1)
    use, expected = DEEDS[deed]
    watch.folder.mkdir(exist_ok=True)
    (watch.folder.parent / "precious").touch()
    (watch.folder / "case").touch()
    end, said = fuzz.outcome(use, watch.folder / "case", watch)
    assert end == expected
    assert bool(said) == (end != "result")


def test_the_same_seed_makes_the_same_cases_of_every_kind(tmp_path):
    made = []
    for folder in ("one", "two"):
        draw, cases = fuzz.random.Random(3), []
        for kind in fuzz.KINDS:
            files = kind(tmp_path / folder / kind.__name__)
            for _ in range(3):
                path = files.make(draw)
                cases.append((path.relative_to(tmp_path / folder), path.read_bytes()))
                files.put_back(path)
        made.append(cases)
    assert made[0] == made[1]
    assert len({content for _, content in made[0]}) > 10
