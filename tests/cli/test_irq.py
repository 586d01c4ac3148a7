"""`irq` itself: where it starts, its version and help, and how it ends when it is stopped or cannot write."""

import subprocess
import sys
from pathlib import Path

import pytest

import ir_quality_plugin as irq
from ir_quality_plugin.cli import score

IRQ = Path(sys.executable).with_name("irq")


COMMANDS = ["", "score", "evaluate", "benchmark", "probe", "triplets", "label", "train", "demo", "doctor"]
COMMANDS += ["weights", "weights ls", "weights convert", "weights verify"]
COMMANDS += ["recipes", "recipes ls", "recipes cp", "recipes validate", "recipes schema"]
COMMANDS += ["degradations", "degradations ls", "degradations sheet"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(run, command):
    code, out, _ = run(*command.split(), "--help")
    assert code == 0
    assert f"Example: irq {command}".rstrip() in out


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("score a.png --scorer ckdn-s --scorer cvrkd-s", "--scorer"),
        ("benchmark --labels a.csv --labels b.csv", "--labels"),
        ("probe --images a --scorer ckdn-s --images b", "--images"),
        ("weights verify --scorer ckdn-s --scorer ckdn-s a", "--scorer"),
        ("degradations sheet a.png --out a.png --out b.png", "--out"),
    ],
)
def test_an_option_that_is_given_once_is_refused_a_second_time(run, line, option):
    code, out, err = run(*line.split())
    assert (code, out) == (2, "") and f"{option} was given 2 times; expected once" in err


def test_without_arguments_it_shows_where_to_start(run):
    code, out, _ = run()
    assert code == 0
    assert "irq score" in out and "irq train" in out and "irq --help" in out


@pytest.mark.parametrize("command", [[sys.executable, "-m", "ir_quality_plugin"], [IRQ]])
def test_the_installed_command_and_the_module_are_one(command):
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout == f"ir_quality_plugin {irq.__version__}\n"


def test_the_command_line_starts_without_torch():
    code = "import sys; import ir_quality_plugin.cli.app; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_stopped_run_exits_with_130_and_no_traceback(run, photos, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(score, "judge", stop)
    code, out, _ = run("score", photos / "restored", "--scorer", "teacheriqa-s", "--weights", "random", "--json")
    assert (code, out) == (130, "")


def test_the_real_command_exits_as_it_says_and_never_shows_a_traceback(tmp_path):
    (tmp_path / "broken.png").write_text("no image")
    call = [IRQ, "score", tmp_path / "broken.png", "--weights", "random", "--scorer"]
    failed = subprocess.run([*call, "teacheriqa-s"], capture_output=True, text=True)
    assert failed.returncode == 1
    assert failed.stderr == "irq: 1 of 1 images could not be scored\n"
    wrong = subprocess.run([*call, "teacheriqua"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("irq: no scorer is named 'teacheriqua'; did you mean 'teacheriqa'")
    assert not wrong.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_an_output_that_cannot_be_written_is_one_line_of_error():
    with open("/dev/full", "w") as full:
        listing = subprocess.run([IRQ, "weights", "ls"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert listing.returncode == 1
    assert listing.stderr == "irq: [Errno 28] No space left on device\n"
