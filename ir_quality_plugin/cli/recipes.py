"""`irq recipes`: list, copy and validate option files, and write their JSON schema."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from ..errors import QualityPluginError, UsageError, nearest, plain
from .once import Commands
from .score import echo_line
from .train import import_modules

SHIPPED = Path(__file__).parents[1] / "recipes"

app = Commands(
    help="List, copy and validate option files.",
    epilog="Example: irq recipes ls",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def shipped() -> dict[str, Path]:
    """The recipes of the package by name: `basicsr/sr_x4_ckdn`."""
    paths = sorted(SHIPPED.glob("*/*.yml"))
    return {f"{path.parent.name}/{path.stem}": path for path in paths}


@app.command("ls", epilog="Example: irq recipes ls --json")
def ls(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """List the recipes of the package, with the first line of each."""
    titles = {name: path.read_text(encoding="utf-8").splitlines()[0].strip("# ;.") for name, path in shipped().items()}
    if as_json:
        typer.echo(json.dumps(titles, indent=1))
        return
    width = max(map(len, titles), default=0)
    for name, title in titles.items():
        typer.echo(f"{name:{width}}  {title}")


def _begins(incomplete: str) -> list[str]:
    return [name for name in shipped() if name.startswith(incomplete)]


@app.command("cp", epilog="Example: irq recipes cp smoke/sr_x4_ckdn .")
def cp(
    name: Annotated[
        str, typer.Argument(help="As irq recipes ls lists it.", show_default=False, autocompletion=_begins)
    ],
    folder: Annotated[Path, typer.Argument(help="Where to copy to.")] = Path("."),
) -> None:
    """Copy a recipe to FOLDER/recipes/..., with its schema, and the images and scripts that it names.

    The command of its header runs in FOLDER.

    A file that is there already is kept; nothing is overwritten.
    """
    known = shipped()
    if name not in known:
        raise UsageError(f"no recipe is named {name!r}; {nearest(name, known)}")
    source = known[name]
    wanted = [source, SHIPPED / "schema.json"]
    for named in ("smoke/photographs", "compact"):
        if f"recipes/{named}" in source.read_text(encoding="utf-8"):
            wanted += sorted(path for path in (SHIPPED / named).rglob("*") if path.is_file() and path.suffix != ".pyc")
    copies = [(path, folder / "recipes" / path.relative_to(SHIPPED)) for path in wanted]
    if copies[0][1].exists():
        raise UsageError(f"{copies[0][1]} is there already; expected no such file: rename or remove it")
    from ..checkpoints.write import whole

    for path, copy in reversed(copies):  # the recipe last: while it is not there, the same call goes on
        if not copy.exists():
            with whole(copy) as unfinished:
                shutil.copyfile(path, unfinished)
    typer.echo(f"{copies[0][1]}: run it in {folder} with irq train -opt recipes/{source.relative_to(SHIPPED)}")


@app.command("validate", epilog="Example: irq recipes validate my.yml --set train.optim_g.lr=1e-4")
def validate(
    files: Annotated[list[Path], typer.Argument(help="Option files.", show_default=False)],
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one option.")] = None,
    images: Annotated[bool, typer.Option("--images", help="Look at the images too.")] = False,
    modules: Annotated[
        list[str] | None, typer.Option("--import", metavar="MODULE", help="Import your own registered types first.")
    ] = None,
) -> None:
    """Check option files as training would before it begins; the exit code is 1 if one is wrong."""
    from ..engine.options import read_options
    from ..integrations.register import register

    register()
    import_modules(modules)
    from ..engine.kinds import check_all
    from ..engine.preflight import preflight
    from ..integrations.options import build_terms

    wrong = 0
    for file in files:
        try:
            options = read_options(file, overrides)
            check_all(options)
            build_terms(options.train.quality_opt)
            if images:
                preflight(options)
        except QualityPluginError as error:
            wrong += 1
            typer.echo(plain(f"{file}: {str(error).removeprefix('-opt ').removeprefix(f'{file}: ')}"))
        else:
            typer.echo(plain(f"{file}: ok"))
    if wrong:
        echo_line(f"{wrong} of {len(files)} files are wrong")
        raise typer.Exit(1)


@app.command("schema", epilog="Example: irq recipes schema --out recipes/schema.json")
def schema(
    out: Annotated[Path | None, typer.Option(help="File to write; the terminal without it.")] = None,
) -> None:
    """Write the JSON schema of option files, which editors complete and check with."""
    from ..integrations.register import register

    register()
    from ..checkpoints.write import whole
    from ..engine.schema import schema as make

    text = json.dumps(make(), indent=1, sort_keys=True) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    with whole(out) as path:
        path.write_text(text, encoding="utf-8")
