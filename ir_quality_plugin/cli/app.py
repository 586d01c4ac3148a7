"""The entry point of `irq`: commands, version, and errors without a traceback."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from types import FrameType
from typing import Annotated

import typer

from ..errors import QualityPluginError, Stopped, UsageError
from ..version import __version__
from . import benchmark, degradations, demo, doctor, evaluate, label, probe, recipes, score, train, triplets, weights
from .extras import extras_named
from .once import Commands

START = """\
See what it does, in minutes:  irq demo
Score a restored image:        irq score restored.png --degraded input.png --scorer ckdn-s
Compare methods by folders:    irq evaluate --restored A=a/ --restored B=b/ --degraded lq/ --scorer ckdn-s --out result
Begin with an option file:     irq recipes cp smoke/sr_x4_ckdn .
Train with a quality term:     irq train -opt recipes/smoke/sr_x4_ckdn.yml
See the scorers and weights:   irq weights ls
What works on this machine:    irq doctor
Complete words with Tab:       irq --install-completion
All commands:                  irq --help
"""

app = Commands(
    name="irq",
    help="Perceptual quality of restored images: blind, against the degraded input, or against any clean image.",
    epilog="Example: irq score restored.png --scorer ckdn-s --degraded input.png",
    add_completion=True,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("score", epilog="Example: irq score restored/ --degraded lq/ --scorer ckdn --weights ckdn.pth")(score.score)
app.command(
    "evaluate",
    epilog="Example: irq evaluate --restored A=a/ --restored B=b/ --degraded lq/ --scorer ckdn-s --out result",
)(evaluate.evaluate)
app.command("train", epilog="Example: irq train -opt recipes/smoke/sr_x4_ckdn.yml --set train.total_iter=100")(
    train.train
)
app.command(
    "benchmark", epilog="Example: irq benchmark --labels scores.csv --images DIR --scorer ckdn-s --pyiqa ssim --out DIR"
)(benchmark.benchmark)
app.command("probe", epilog="Example: irq probe --scorer ckdn-s --images DIR --out probe")(probe.probe)
app.command("triplets", epilog="Example: irq triplets --photographs photographs/ --out made/")(triplets.triplets)
app.command("label", epilog="Example: irq label --table made/table.csv --out made/labels.csv")(label.label)
app.command("demo", epilog="Example: irq demo --out demo")(demo.demo)
app.command("doctor", epilog="Example: irq doctor --json")(doctor.doctor)
app.add_typer(recipes.app, name="recipes")
app.add_typer(degradations.app, name="degradations")
app.add_typer(weights.app, name="weights")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"ir_quality_plugin {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Perceptual quality of restored images: blind, against the degraded input, or against any clean image."""
    if context.invoked_subcommand is None:
        typer.echo(START, nl=False)


def main() -> None:
    """Run `irq`; exits with 0 when all is done, 2 for a wrong call, 1 for work that failed.

    Ended by a signal, it exits as a shell has it: 128 and the signal's number, 143 for SIGTERM, 130 for Ctrl-C.
    """
    signal.signal(signal.SIGTERM, _end)
    sys.unraisablehook = _ask_again
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.encoding.lower() != "utf-8":
        sys.stdout.reconfigure(errors="backslashreplace")  # a name may hold what this locale has no letters for
    try:
        with extras_named():
            app(prog_name="irq")
    except Stopped as error:
        score.echo_line(str(error))
        sys.exit(128 + error.signal)
    except UsageError as error:
        score.echo_line(str(error))
        sys.exit(2)
    except (QualityPluginError, OSError) as error:
        score.echo_line(str(error))
        _drop_unwritten_output()
        sys.exit(1)


def _end(number: int, frame: FrameType | None) -> None:
    """Leave by the way out that tidies up: nothing half-written stays, workers end."""
    line = f"irq: ended by {signal.Signals(number).name}; nothing half-written is left: call it again to go on\n"
    os.write(2, line.encode())  # at any moment, in the midst of another line too
    sys.exit(128 + number)


def _ask_again(swallowed: sys.UnraisableHookArgs) -> None:
    """Ask once more where a signal came in the midst of a callback, which swallows whatever is raised in it."""
    code = swallowed.exc_value.code if isinstance(swallowed.exc_value, SystemExit) else None
    if isinstance(code, int) and code > 128:  # of `_end`
        threading.Timer(0.01, os.kill, [os.getpid(), code - 128]).start()
    else:
        sys.__unraisablehook__(swallowed)


def _drop_unwritten_output() -> None:
    """Keep Python from complaining a second time about an output that cannot be written: a full disk."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
