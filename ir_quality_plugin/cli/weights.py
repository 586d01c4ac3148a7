"""`irq weights`: list, convert and verify."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import CheckpointError, UsageError, one_line
from .once import Commands
from .score import echo_line

app = Commands(
    help="List, convert and verify weights.",
    epilog="Example: irq weights ls",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("ls", epilog="Example: irq weights ls --json")
def ls(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """List every scorer, and the restoring teacher: what it judges against, its range, and where its weights are."""
    from ..catalog import NAMED, look_up, weights_folder

    listed = [(name, *look_up(name)) for name in NAMED]
    failed = sum(error is not None for *_, error in listed)
    if as_json:
        rows = [
            {**dataclasses.asdict(card), "name": name, "path": path and str(path), "error": error}
            for name, card, path, error in listed
        ]
        typer.echo(json.dumps(rows, indent=1))
    else:
        line = "{:<22}{:<11}{:<9}{:<15}{}"
        typer.echo(line.format("scorer", "against", "range", "sees", "weights"))
        for name, card, path, error in listed:
            patches = f"{card.patches} x {card.patch_px} px" if card.patches else "whole image"
            state = f"{path}, licence: {card.licence}" if path else "none at hand: pass --weights FILE, or convert one"
            bounds = "{:g}..{:g}".format(*card.score_range)
            typer.echo(
                line.format(name, card.reference, bounds, patches, one_line(f"failed: {error}" if error else state))
            )
        typer.echo(f"Converted weights are looked for in {weights_folder()}")
    if failed:
        echo_line(f"the weights of {failed} of {len(listed)} networks cannot be read")
        raise typer.Exit(1)


@app.command("convert", epilog="Example: irq weights convert CKDN_model_best-38b27dc6.pth --scorer ckdn")
def convert(
    file: Annotated[Path, typer.Argument(help="A released checkpoint, or a state dict of our network.")],
    scorer: Annotated[str, typer.Option(help="Name of the scorer.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="A .safetensors file; by default where load_scorer finds it by name.")
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Store 16 bits a number: half the size.")] = False,
    licence: Annotated[str | None, typer.Option(help="Terms of the weights, for the card.")] = None,
    origin: Annotated[str | None, typer.Option(help="What trained them on what, for the card.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Convert weights to safetensors with their card; every parameter is placed, or nothing is written."""
    from ..catalog import find_entry, load_network, weights_folder
    from ..checkpoints.write import write_weights

    find_entry(scorer)
    target = out or weights_folder() / f"{scorer}.safetensors"
    if target.suffix != ".safetensors":
        raise UsageError(f"--out {target}; expected a name that ends in .safetensors")
    card, network = load_network(scorer, file)
    if target.exists() and not force:
        raise UsageError(f"{target} is there already; give another --out, or --force to replace it")
    card = dataclasses.replace(card, licence=licence or card.licence, origin=origin or card.origin)
    tensors = network.state_dict()
    if half:
        tensors = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    write_weights(target, tensors, card)
    if as_json:
        typer.echo(
            json.dumps({"file": str(target), "scorer": card.name, "protocol": card.protocol, "sha256": card.sha256})
        )
        return
    typer.echo(one_line(f"{target}: {card.name}, {len(network.state_dict())} tensors, protocol {card.protocol}"))
    typer.echo(one_line(f"from {file.name}, sha256 {card.sha256}, licence: {card.licence}"))


@app.command("verify", epilog="Example: irq weights verify ckdn.safetensors")
def verify(
    files: Annotated[list[Path] | None, typer.Argument(help="Files; by default all weights at hand.")] = None,
    scorer: Annotated[str | None, typer.Option(help="Name of the scorer, for files without a card.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check that files of weights are undamaged, complete, and load into their network."""
    from ..catalog import NAMED, find_entry, find_weights

    if scorer is not None and scorer not in NAMED:
        find_entry(scorer)
    jobs = [(file, scorer) for file in files or []]
    if not files:
        at_hand = {name: find_weights(name) for name in NAMED if scorer in (None, name)}
        jobs = [(path, name) for name, path in at_hand.items() if path is not None]
    rows = [examine(file, name) for file, name in jobs]
    failed = sum("error" in row for row in rows)
    if as_json:
        typer.echo(json.dumps({"failed": failed, "results": rows}, indent=1))
    else:
        for row in rows:
            state = f"failed: {first_line(row['error'])}" if "error" in row else f"sound, {row['scorer']}"
            typer.echo(one_line(f"{row['file']}: {state}"))
        if not rows:
            typer.echo("no weights are at hand; name a file, or convert one")
    if failed:
        echo_line(f"{failed} of {len(rows)} files failed")
        raise typer.Exit(1)


def first_line(error: str) -> str:
    """Shorten the list of parameters that could not be placed to its headline."""
    head, *rest = error.splitlines()
    return f"{head.removesuffix(':')} (all with --json)" if rest else head


def examine(file: Path, name: str | None) -> dict[str, Any]:
    """Load one file of weights as a row of the result: what it is, or what is wrong."""
    from ..catalog import load_network
    from ..checkpoints.read import read_weights
    from ..checkpoints.remap import recognise

    try:
        if name is None:
            found = read_weights(file)
            name = found.card.name if found.card else recognise(found.tensors)
        if name is None:
            raise CheckpointError("it has no card and is no known release; say which network it is with --scorer")
        card, _ = load_network(name, file)
    except (CheckpointError, UsageError) as error:
        return {"file": str(file), "error": str(error)}
    return {"file": str(file), "scorer": card.name, "sha256": card.sha256, "origin": card.origin}
