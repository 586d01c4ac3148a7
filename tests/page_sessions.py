"""Pages of the documentation as sessions: their blocks are carried out in order, in one folder, as a reader would.

- `python`: run, in one namespace a page. With the title "raises NAME" it must raise that error.
- `text` with the title "prints": what the block before it printed; with "says": the message of the error it raised.
- `yaml` with a file's name as title: merged into that option file, as a reader would edit it; without one, checked.
- `bash`: `irq` runs in this process, trainings for a few steps; launchers are read to the end but not started, since no
  machine of the tests has their processes. `<!-- not run in tests: WHY -->` before a block has `irq` read alone too.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import yaml

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"(?:^<!-- not run in tests: (?P<why>[^\n]+) -->\n+)?"
    r'^```(?P<language>\w+)(?: title="(?P<title>[^"]*)")?[^\n]*\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
LAUNCHERS = ("accelerate", "torchrun", "sbatch", "bash", "python")
SHORT = ("train.total_iter=12", "logger.print_freq=6", "logger.save_checkpoint_freq=12", "val.val_freq=12")


@dataclass(frozen=True)
class Block:
    language: str
    title: str
    text: str
    run: bool


def blocks(page):
    text = Path(page).read_text(encoding="utf-8")
    return [Block(m["language"], m["title"] or "", m["text"], m["why"] is None) for m in BLOCK.finditer(text)]


def commands(block):
    """The commands of a block, comments left out and continued lines joined, as words."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def parse_irq(words):
    """Read the words behind `irq` as the command line does: unknown commands and options are errors."""
    from typer.main import get_command

    from ir_quality_plugin.cli.app import app

    command, rest = get_command(app), list(words)
    while getattr(command, "commands", None) and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"irq has no command {rest[0]!r}"
        command = command.commands[rest.pop(0)]
    if rest not in (["--help"], ["--install-completion"], ["--version"]):
        command.make_context("irq", rest)


class Session:
    """A reader with one folder and one Python."""

    def __init__(self, folder, names, monkeypatch):
        self.folder, self.names, self.monkeypatch = Path(folder), names, monkeypatch
        self.printed = ""

    def carry_out(self, block):
        getattr(self, f"_{block.language}")(block)

    def _python(self, block):
        said = io.StringIO()
        code = compile(block.text, "a block of a page", "exec")
        with contextlib.redirect_stdout(said):
            if block.title.startswith("raises "):
                with pytest.raises(Exception) as caught:
                    exec(code, self.names)  # our own text
                assert type(caught.value).__name__ == block.title.removeprefix("raises ")
                print(caught.value)
            else:
                exec(code, self.names)
        self.printed = said.getvalue()

    def _text(self, block):
        if block.title in ("prints", "says"):
            expected = "".join(".*?" if part == "..." else re.escape(part) for part in _parts(block.text))
            assert re.fullmatch(expected, _flat(self.printed)), f"printed:\n{self.printed}\nexpected:\n{block.text}"

    def _yaml(self, block):
        from ir_quality_plugin.engine.kinds import check_all
        from ir_quality_plugin.engine.options import read_options
        from ir_quality_plugin.integrations.register import register

        register()
        change = yaml.safe_load(block.text)
        source = self.folder / block.title if block.title else ROOT / "recipes" / "smoke" / "sr_x4_l1.yml"
        options = merged(yaml.safe_load(source.read_text()), change)
        file = source if block.title else self.folder / "a_fragment.yml"
        file.write_text(yaml.safe_dump(options, sort_keys=False))
        check_all(read_options(file))

    def _bash(self, block):
        for words in commands(block):
            self._command(words, block.run)

    def _command(self, words, run):
        name, *rest = words
        if name == "irq" and run:
            self.printed = self._irq(rest)
        elif name == "irq":
            parse_irq(rest)
        elif name in LAUNCHERS:
            self._launch(words)
        elif name == "make":
            assert set(rest) <= set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        elif name == "export":
            self.monkeypatch.setenv(*rest[0].split("=", 1))
        elif name == "pip":
            extras = set(re.findall(r"^(\w+) =$", (ROOT / "setup.cfg").read_text().split("extras_require]")[1], re.M))
            assert set(re.findall(r"\w+", "".join(re.findall(r"\[(.*?)\]", " ".join(rest))))) <= extras
        elif name == "source":
            assert rest == [".venv/bin/activate"]  # which `make env` makes
        elif name in ("mkdir", "cp", "mv"):
            subprocess.run(words, check=True)
        else:
            raise AssertionError(f"no rule for {shlex.join(words)}")

    def _irq(self, rest):
        from ir_quality_plugin.cli import app

        parse_irq(rest)
        short = [word for option in SHORT for word in ("--set", option)] if rest and rest[0] == "train" else []
        self.monkeypatch.setattr(sys, "argv", ["irq", *rest, *short])
        said = io.StringIO()
        with contextlib.redirect_stdout(said), pytest.raises(SystemExit) as stop:
            app.main()
        assert not stop.value.code, f"irq {shlex.join(rest)} ended with {stop.value.code}:\n{said.getvalue()}"
        return said.getvalue()

    def _launch(self, words):
        """Files are there, modules are found, and what follows them is read as the command line reads it."""
        files = [word for word in words if re.search(r"\.(ya?ml|sh)$", word)]
        assert all(Path(file).is_file() or (ROOT / file).is_file() for file in files), files
        if "-m" not in words:
            return
        place = words.index("-m")
        module, rest = words[place + 1], words[place + 2 :]
        assert find_spec(module) is not None
        if module == "ir_quality_plugin":
            parse_irq(rest)
        elif module.endswith(".train"):
            parse_irq(["train", *rest])


def merged(options, change):
    """`options` with `change` in it, key by key; another type takes the place of the whole mapping."""
    if not (isinstance(options, dict) and isinstance(change, dict)):
        return change
    if change.get("type", options.get("type")) != options.get("type"):
        return change
    return {**options, **{key: merged(options.get(key), value) for key, value in change.items()}}


def _flat(text):
    return " ".join(text.split())


def _parts(text):
    return re.split(r"(\.\.\.)", _flat(text))


def names_of_a_batch():
    """What the snippets take as given: images of a batch, and a fidelity criterion."""
    import ir_quality_plugin as irq

    draw = torch.Generator().manual_seed(0)
    clean = torch.rand(2, 3, 64, 64, generator=draw)
    return {
        "irq": irq,
        "torch": torch,
        "restored": (clean + 0.01).clamp(0, 1).requires_grad_(),
        "lq": clean[..., ::4, ::4],
        "gt": clean,
        "clean": clean.flip(0),
        "l1": torch.nn.L1Loss(),
    }


def write_reader_folders(folder):
    """What a reader of the tutorials has: two methods' outputs, their inputs and their clean images."""
    from PIL import Image

    source = ROOT / "recipes" / "smoke" / "photographs" / "val"
    for name in ("gt", "lq", "out/esrgan", "out/ours"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for path in sorted((source / "gt").glob("*.png")):
        shutil.copyfile(path, folder / "gt" / path.name)
        shutil.copyfile(source / "x4" / path.name, folder / "lq" / path.name)
        small, size = Image.open(source / "x4" / path.name), Image.open(path).size
        for method, way in (("esrgan", Image.Resampling.LANCZOS), ("ours", Image.Resampling.BICUBIC)):
            small.resize(size, way).save(folder / "out" / method / path.name)


def write_small_pipal(folder):
    """PIPAL's training part as it unpacks, with two contents, four kinds and made scores."""
    from PIL import Image

    draw = torch.Generator().manual_seed(0)
    for name in ("Train_Ref", "Train_Dist", "Train_Label"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for content in ("A0001", "A0002"):
        pixels = torch.randint(0, 256, (96, 96, 3), dtype=torch.uint8, generator=draw).numpy()
        Image.fromarray(pixels).save(folder / "Train_Ref" / f"{content}.bmp")
        names = [f"{content}_{group:02}_{number:02}.bmp" for group in (0, 1) for number in (0, 1)]
        for name in names:
            Image.fromarray(pixels).save(folder / "Train_Dist" / name)
        lines = [f"{name},{1400 + 50 * index}.0" for index, name in enumerate(names)]
        (folder / "Train_Label" / f"{content}.txt").write_text("\n".join(lines))


def quiet_environment(monkeypatch, folder):
    """No weights of the user's, and the folder of the page as the place where everything lands."""
    monkeypatch.setenv("IRQ_WEIGHTS", str(folder / "weights_of_the_reader"))
    monkeypatch.chdir(folder)
    assert os.getcwd() == str(folder)


class ScratchSession(Session):
    """A contributor with a copy of the project: titled blocks are its files, differences are applied, commands run.

    `python` blocks are files to write; a `diff` has parts, parted by lines of @@, whose context must be found once.
    """

    def _python(self, block):
        path = self.folder / block.title
        assert not path.exists(), f"{block.title} is there already"
        path.write_text(block.text)

    def _diff(self, block):
        path = self.folder / block.title
        text = path.read_text()
        for part in re.split(r"^@@.*\n", block.text, flags=re.MULTILINE):
            lines = part.splitlines(keepends=True)
            before = "".join(line[1:] or "\n" for line in lines if not line.startswith("+"))
            after = "".join(line[1:] or "\n" for line in lines if not line.startswith("-"))
            assert text.count(before) == 1, f"{block.title}: found {text.count(before)} times:\n{before}"
            text = text.replace(before, after)
        path.write_text(text)

    def _yaml(self, block):
        path = self.folder / block.title
        path.write_text(yaml.safe_dump(merged(yaml.safe_load(path.read_text()), yaml.safe_load(block.text))))

    def _command(self, words, run):
        if not run:
            return super()._command(words, run)
        launch = {"irq": [sys.executable, "-m", "ir_quality_plugin"], "python": [sys.executable]}[words[0]]
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"}
        quiet = ["-q", "-p", "no:cacheprovider"] if "pytest" in words else []
        finished = subprocess.run(
            [*launch, *words[1:], *quiet], cwd=self.folder, env=environment, capture_output=True, text=True
        )
        self.printed = finished.stdout
        assert finished.returncode == 0, f"{shlex.join(words)}:\n{finished.stdout[-3000:]}{finished.stderr[-2000:]}"
        if "pytest" in words:
            assert re.search(r"\d+ passed", finished.stdout)


def copy_project(folder):
    """What a contributor changes, without what git leaves out."""
    for name in ("ir_quality_plugin", "recipes", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
    for name in ("setup.cfg", "pyproject.toml", "README.md"):
        shutil.copyfile(ROOT / name, folder / name)
    return folder
