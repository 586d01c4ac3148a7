"""`irq train`: train an option file under Accelerate."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError, plain


def train(
    opt: Annotated[Path, typer.Option("-opt", "--opt", help="The option file.", show_default=False)],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one option: train.optim_g.lr=1e-4.")
    ] = None,
    auto_resume: Annotated[
        bool, typer.Option("--auto_resume", "--auto-resume", help="Go on from the run's last state, if it has one.")
    ] = False,
    root: Annotated[Path, typer.Option(help="Where experiments and tb_logger lie.")] = Path("."),
    repeats: Annotated[
        int, typer.Option(min=1, help="Trainings with manual_seed, and the seeds after it; gives medians of the tests.")
    ] = 1,
    modules: Annotated[
        list[str] | None, typer.Option("--import", metavar="MODULE", help="Import your own registered types first.")
    ] = None,
) -> None:
    """Train a restoration network, or a scorer; BasicSR's option files, one process or many.

    Several processes: accelerate launch --num_processes 8 -m ir_quality_plugin.train -opt FILE, or torchrun.
    """
    from ..engine.options import read_options

    options = read_options(opt, overrides)
    from ..integrations.register import register

    register()
    import_modules(modules)
    from ..engine.loop import train as run

    if repeats == 1:
        run(options, root, auto_resume, say=_say)
        return
    from ..engine.repeats import medians

    folders = []
    for seed in range(options.manual_seed, options.manual_seed + repeats):
        changes = [f"manual_seed={seed}", f"name={options.name}_seed{seed}"]
        folders.append(run(read_options(opt, [*(overrides or []), *changes]), root, auto_resume, say=_say))
    for name, (median, least, most) in medians(folders).items():
        _say(f"{name}: median {median:.4f} over {repeats} seeds, {least:.4f} to {most:.4f}")


def import_modules(modules: list[str] | None) -> None:
    """Import modules that register types of the user's own; they are looked for in the current folder too.

    Raises:
        UsageError: one that Python does not find, or that cannot be imported.
    """
    sys.path.insert(0, str(Path.cwd()))
    for module in modules or []:
        try:
            import_module(module)
        except ImportError as error:
            raise UsageError(f"--import {module}: {error}; expected a module that Python finds from here") from error


def _say(line: str) -> None:
    from tqdm import tqdm

    tqdm.write(plain(line), file=sys.stdout)
    sys.stdout.flush()
