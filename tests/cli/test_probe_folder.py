"""The folder of `irq probe`: what makes two runs the same, and names that are no text."""

import os
import sys

import pytest
import torch
from full_disk import left_over
from judged_images import PHOTOGRAPHS, write

from ir_quality_plugin.catalog import load_scorer
from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.engine.probe_run import shortened

QUICK = ("--steps", "1", "--starts", "1", "--side", "64")


@pytest.fixture
def restored(tmp_path):
    """Two small photographs."""
    for photograph in sorted(PHOTOGRAPHS.glob("*.png"))[:2]:
        write(read_image(photograph)[:, :64, :64], tmp_path / "restored" / photograph.name)
    return tmp_path


def test_weights_that_were_exchanged_under_one_name_are_another_run(run, restored):
    weights = restored / "mine.pth"
    call = ("probe", "--images", restored / "restored", "--scorer", f"ckdn-s={weights}", "--out", restored / "out")
    state = load_scorer("ckdn-s").network.state_dict()
    torch.save(state, weights)
    assert run(*call, *QUICK)[0] == run(*call, *QUICK)[0] == 0
    assert str(restored) not in (restored / "out" / ".irq").read_text()
    torch.save({name: value * 1.01 if value.is_floating_point() else value for name, value in state.items()}, weights)
    code, _, err = run(*call, *QUICK)
    assert code == 2 and "other options (metrics: ckdn-s (mine): digest was" in err


def test_a_name_that_is_no_text_is_probed_and_written_as_it_is(run, restored):
    first = sorted((restored / "restored").iterdir())[0]
    first.rename(os.fsdecode(bytes(restored / "restored") + b"/caf\xe9.png"))
    out = restored / "out"
    code, _, err = run("probe", "--images", restored / "restored", "--scorer", "ckdn-s", "--out", out, *QUICK)
    assert code == 0, err
    assert b"\ncaf\xe9.png,ckdn-s," in (out / "scores.csv").read_bytes()


def test_a_finished_probe_that_is_called_again_and_ended_loses_nothing(run, restored, monkeypatch):
    call = ("probe", "--images", restored / "restored", "--scorer", "ckdn-s=random", "--out", restored / "out", *QUICK)
    assert run(*call, "--limit", "1")[0] == 0
    before = {path.name: path.read_bytes() for path in (restored / "out").iterdir() if path.is_file()}
    assert before.keys() >= {"scores.csv", "summary.json", "report.html"}

    def ended(*arguments):
        sys.exit(143)

    for place in ("probe_run.probe_subject", "probe_run.describe"):  # in the midst of the work, and of the results
        with monkeypatch.context() as patch:
            patch.setattr(f"ir_quality_plugin.engine.{place}", ended)
            assert run(*call, "--limit", "1")[0] == 143
        assert {path.name: path.read_bytes() for path in (restored / "out").iterdir() if path.is_file()} == before
        assert left_over(restored) == []


def test_a_long_name_is_probed_and_its_pictures_have_a_shorter_one(run, restored):
    images, out = restored / "restored", restored / "out"
    for letter, path in zip("yz", sorted(images.iterdir()), strict=True):
        path.rename(images / f"{'y' * 234}{letter}.png")
    code, _, err = run("probe", "--images", images, "--scorer", "ckdn-s=random", "--out", out, *QUICK)
    assert code == 0, err
    pictures = [path.name for path in (out / "pictures" / "original").iterdir()]
    assert len(pictures) == 2 and all(name.startswith("y" * 191 + "-") for name in pictures)
    assert f"\n{'y' * 234}z.png,ckdn-s" in (out / "scores.csv").read_text()


def test_a_name_is_cut_between_letters_and_a_short_one_is_kept():
    assert shortened("画" * 60) == "画" * 60
    assert shortened("画" * 80).startswith("画" * 63 + "-") and shortened("画" * 80) != shortened("画" * 81)
