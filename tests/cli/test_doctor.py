"""`irq doctor`: what works here, the remedy for what does not, and an exit code."""

import json

import pytest

from ir_quality_plugin.catalog import CATALOG
from ir_quality_plugin.integrations import health


def test_a_healthy_machine_ends_with_0_and_lists_every_scorer(run):
    code, out, _ = run("doctor", "--json")
    assert code == 0
    document = json.loads(out)
    subjects = {finding["subject"] for finding in document["findings"]}
    assert {"Python", "torch", "torchvision", *CATALOG} <= subjects
    assert all(finding["remedy"] for finding in document["findings"] if finding["state"] != "ok")


def test_damaged_weights_are_a_problem_with_a_remedy_and_end_with_1(run, tmp_path):
    damaged = tmp_path / "weights" / "ckdn.safetensors"
    damaged.parent.mkdir()
    damaged.write_bytes(b"not safetensors")
    code, out, _ = run("doctor")
    assert code == 1
    assert "problem ckdn" in out
    assert f"restore or remove {damaged}" in out
    assert out.rstrip().endswith("1 problem")


def test_a_package_that_fails_to_import_is_named_with_its_own_words(monkeypatch):
    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(health, "import_module", broken)
    (_, torchvision) = health.torch_pair()
    assert torchvision.state == "problem"
    assert "operator torchvision::nms does not exist" in torchvision.found
    assert "matching torchvision" in torchvision.remedy


@pytest.mark.parametrize("package", ["basicsr", "pyiqa", "accelerate"])
def test_a_package_that_is_not_there_is_a_note_with_the_command_that_installs_it(monkeypatch, package):
    monkeypatch.setattr(health, "installed", lambda name: None)
    (finding,) = getattr(health, package)()
    assert finding.state == "note"
    assert "pip install" in finding.remedy


def test_packages_that_overwrite_each_other_are_named(monkeypatch):
    monkeypatch.setattr(health, "installed", lambda name: "1.0" if "opencv" in name else None)
    (finding,) = health.clashes()
    assert finding.state == "note"
    assert finding.remedy.endswith("pip install opencv-python-headless==1.0")


def test_an_old_python_is_a_problem(monkeypatch):
    monkeypatch.setattr(health.sys, "version_info", (3, 13, 0))
    (finding,) = health.python()
    assert finding.state == "problem"
    assert "3.11 or 3.12" in finding.remedy
