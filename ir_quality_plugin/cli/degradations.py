"""`irq degradations`: the operators, and a contact sheet of them on a photograph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from .once import Commands

app = Commands(
    help="List the degradations, and draw them.",
    epilog="Example: irq degradations ls",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("ls", epilog="Example: irq degradations ls")
def ls(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """List every operator: its kind, the unit of its strength, and the strengths of its five levels."""
    from ..degradations import OPERATORS

    if as_json:
        rows = {name: {"kind": o.kind, "unit": o.unit, "levels": o.levels} for name, o in OPERATORS.items()}
        typer.echo(json.dumps(rows, indent=1))
        return
    for name, operator in OPERATORS.items():
        levels = ", ".join(f"{level:g}" for level in operator.levels)
        typer.echo(f"{name:18}{operator.kind:13}{levels:36}{operator.unit}")


@app.command("sheet", epilog="Example: irq degradations sheet photograph.jpg --out sheet.png")
def sheet(
    image: Annotated[Path, typer.Argument(help="A photograph.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The picture to write.")] = Path("sheet.png"),
    side: Annotated[int, typer.Option(min=32, help="Side of the square that is shown, in pixels.")] = 192,
    operators: Annotated[list[str] | None, typer.Option("--operator", help="Only this one; repeatable.")] = None,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
) -> None:
    """Draw every operator at every level on the middle of a photograph."""
    from ..checkpoints.write import whole
    from ..data.images import read_image
    from ..degradations import Degrader
    from ..nn.crops import centre_crop
    from ..report.contact_sheet import contact_sheet

    if out.suffix.lower() != ".png":
        raise UsageError(f"--out {out}; expected a name that ends in .png")
    names = list(Degrader(operators, steps=(0, 0)).operators)  # refuses an unknown one
    photograph = read_image(image)
    middle = centre_crop(photograph[None], min(side, *photograph.shape[1:]))[0]
    picture = contact_sheet(middle, names, seed)
    with whole(out) as path:
        picture.save(path, format="png")
    typer.echo(f"{out}: {len(names)} {'operator' if len(names) == 1 else 'operators'} at five levels")
