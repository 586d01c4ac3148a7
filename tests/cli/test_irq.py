"""`irq` itself: where it starts, its version and help, and how it ends when it is stopped or cannot write."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from page_sessions import parse_irq

import ir_quality_plugin as irq
from ir_quality_plugin.cli import completion, score
from ir_quality_plugin.cli.app import START

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


def test_every_line_of_the_start_is_a_command_that_the_command_line_takes():
    for line in START.splitlines():
        parse_irq(line.split("irq ", 1)[1].split())


@pytest.mark.parametrize(
    ("call", "without", "needs", "extra"),
    [
        ("ir_quality_plugin recipes schema", ["basicsr"], "basicsr, which is", "basicsr"),
        ("ir_quality_plugin triplets --photographs . --out made", ["cv2"], "cv2, which is", "basicsr"),
        ("ir_quality_plugin demo", ["skimage"], "skimage, which is", "basicsr"),
        ("ir_quality_plugin demo", ["skimage", "pyiqa"], "skimage and pyiqa, which are", "basicsr,pyiqa"),
        ("ir_quality_plugin.basicsr_train -opt none.yml", ["basicsr"], "basicsr, which is", "basicsr"),
        ("ir_quality_plugin.basicsr_test -opt none.yml", ["basicsr"], "basicsr, which is", "basicsr"),
    ],
)
def test_a_command_whose_extra_is_missing_says_which_to_install_and_makes_nothing(
    call, without, needs, extra, tmp_path
):
    module, *words = call.split()
    code = f"import runpy, sys; sys.modules.update(dict.fromkeys({without})); sys.argv = ['irq', *{words}]\n"
    code += f"runpy.run_module({module!r}, run_name='__main__')"
    failed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    install = f"pip install 'ir-quality-plugin[{extra}]', or as irq doctor says"
    assert failed.stderr == f"irq: this command needs {needs} not installed; {install}\n"
    assert (failed.returncode, list(tmp_path.iterdir())) == (2, [])


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("irq recipes val", ["validate"]),
        ("irq evaluate --resta", ["--restart"]),
        ("irq recipes cp ckdn/sm", ["ckdn/smoke"]),
        ("irq score --scorer ck", ["ckdn", "ckdn-s"]),
        ("irq evaluate --scorer ckdn --scorer cv", ["cvrkd", "cvrkd-s"]),
        ("irq benchmark --scorer ckdn-", ["ckdn-s"]),
        ("irq probe --scorer te", ["teacheriqa", "teacheriqa-s"]),
        ("irq evaluate --pyiqa psn", ["psnr", "psnry"]),
        ("irq benchmark --pyiqa cw_", ["cw_ssim"]),
        ("irq probe --pyiqa ssim --pyiqa gms", ["gmsd"]),
    ],
)
def test_the_shell_completes_commands_options_and_names(typed, offered):
    words = {"_IRQ_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    command = [sys.executable, "-m", "ir_quality_plugin"]
    completed = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **words})
    assert completed.stdout.split() == offered


def test_the_names_that_are_completed_are_the_catalogues():
    from ir_quality_plugin.catalog import CATALOG

    assert set(completion.SCORERS) == set(CATALOG)


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
