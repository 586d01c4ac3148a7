"""`irq score`: scores of image files."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ImageError, MissingInputError, UsageError, one_line, plain
from .completion import scorers

if TYPE_CHECKING:
    from ..scorers import Scorer

SHOWN = 5


def score(
    images: Annotated[list[Path], typer.Argument(help="Restored images, or folders of them.", show_default=False)],
    scorer: Annotated[
        str,
        typer.Option(
            help="Name of the scorer; `irq weights ls` lists them.", autocompletion=scorers, show_default=False
        ),
    ],
    degraded: Annotated[
        list[Path] | None,
        typer.Option(help="The degraded input: one for all, one an image in order, or a folder paired by stem."),
    ] = None,
    reference: Annotated[
        list[Path] | None,
        typer.Option(help="A clean image: one for all, one an image in order, or a folder paired by stem."),
    ] = None,
    weights: Annotated[str, typer.Option(help="A file, or default, or random.")] = "default",
    protocol: Annotated[str | None, typer.Option(help="whole, grid or released; as the weights' card says.")] = None,
    patches: Annotated[int | None, typer.Option(help="Patches an image, for teacheriqa and cvrkd.")] = None,
    full_reference: Annotated[
        bool, typer.Option("--full-reference", help="Judge against the aligned clean image.")
    ] = False,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Score restored images; higher is better.

    Images are read one by one, at their own size. An image that cannot be read or scored is listed with its reason, the
    others are scored, and the exit code is 1.
    """
    from ..catalog import load_scorer

    needs = need_of(scorer, full_reference)
    guides = {"degraded": degraded, "reference": reference}.get(needs or "")
    if needs and not guides:
        raise MissingInputError(f"{scorer} needs --{needs} PATH, a file or a folder; without one, use {blind()}")
    restored = expand(images)
    partners = pair(f"--{needs}", restored, guides) if guides else [None] * len(restored)
    loaded = load_scorer(
        scorer,
        weights,
        protocol=protocol,  # type: ignore[arg-type]  # checked by the scorer
        patches=patches,
        full_reference=full_reference,
        device=check_device(device),
    )
    rows = [judge(loaded, image, partner) for image, partner in track(list(zip(restored, partners, strict=True)))]
    failed = sum("error" in row for row in rows)
    if as_json:
        typer.echo(json.dumps({**describe(loaded), "failed": failed, "results": rows}, indent=1))
    else:
        show(loaded, rows)
    if failed:
        echo_line(f"{failed} of {len(rows)} images could not be scored")
        raise typer.Exit(1)


def need_of(scorer: str, full_reference: bool) -> str | None:
    """Tell which option a scorer cannot do without, from the catalogue alone."""
    from ..catalog import find_entry

    card = find_entry(scorer).card
    if full_reference and card.reference == "none":
        raise UsageError(f"--full-reference: {scorer} takes no reference; leave it out, or use ckdn or cvrkd")
    if full_reference:
        return "reference"
    return {"degraded": "degraded", "any-clean": "reference"}.get(card.reference)


def blind() -> str:
    """Name the scorers that need nothing beside the image."""
    from ..catalog import CATALOG

    return ", ".join(name for name, entry in CATALOG.items() if entry.card.reference == "none")


def expand(paths: list[Path]) -> list[Path]:
    """Replace folders by the images in them; what is missing or holds none stays, and fails at its place."""
    from ..data.images import list_images

    images = []
    for path in paths:
        try:
            images += list_images(path) if path.is_dir() else [path]
        except UsageError:
            if len(paths) == 1:
                raise
            images.append(path)  # fails at its place, and no other does
    return images


def pair(option: str, images: list[Path], given: list[Path]) -> list[Path]:
    """Give each image its partner: one for all, one each in order, or by stem from a folder."""
    from ..data.images import pair_by_stem

    if len(given) == 1 and given[0].is_dir():
        return pair_by_stem(images, given[0])
    odd = [path for path in given if not path.is_file()]
    if odd:
        found = "a folder among several paths" if odd[0].is_dir() else "no such file"
        raise UsageError(f"{option} {odd[0]}: {found}; expected image files, or one folder alone")
    if len(given) not in (1, len(images)):
        raise UsageError(
            f"{option} was given {len(given)} times for {len(images)} images; expected 1, {len(images)} or a folder"
        )
    return given * len(images) if len(given) == 1 else given


def check_device(device: str) -> str:
    """Name the device to compute on, where it is there; "auto" is this machine's accelerator, or else the CPU.

    Raises:
        UsageError: there is no such device.
    """
    import torch

    if device == "auto":
        return str(torch.accelerator.current_accelerator()) if torch.accelerator.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"--device {device}: {str(error).splitlines()[0].split('. ')[0]}; expected cpu, or cuda where there is one"
        ) from error
    return device


def judge(scorer: Scorer, image: Path, partner: Path | None) -> dict[str, Any]:
    """Score one file as a row of the result: its score, or the reason why there is none."""
    import torch

    from ..data.images import read_image

    try:
        restored = read_image(image)[None].to(scorer.device)
        guide = (
            {}
            if partner is None or scorer.needs is None
            else {scorer.needs: read_image(partner)[None].to(scorer.device)}
        )
        with torch.inference_mode():
            value = scorer(restored, **guide).item()
    except ImageError as error:
        return {"image": str(image), "error": str(error)}
    except RuntimeError as error:  # a CPU's allocator raises no type of its own
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        return {"image": str(image), "error": f"{scorer.device} ran out of memory; score crops of it, or elsewhere"}
    if not math.isfinite(value):
        return {"image": str(image), "error": f"the score is {value}; expected a number; verify the weights"}
    against = {} if partner is None or scorer.needs is None else {scorer.needs: str(partner)}
    return {"image": str(image), **against, "score": value}


def describe(scorer: Scorer) -> dict[str, Any]:
    """What the numbers mean."""
    card = scorer.card
    return {
        "scorer": card.name,
        "weights": card.origin,
        "protocol": scorer.protocol,
        "direction": card.direction,
        "range": list(card.score_range),
        "bounded": card.bounded,
    }


def show(scorer: Scorer, rows: list[dict[str, Any]]) -> None:
    """Print the scores as a table, failures at their place."""
    from ..models.card import RANDOM

    about = describe(scorer)
    lowest, highest = about["range"]
    kind = "from" if about["bounded"] else "nominally from"
    typer.echo(
        f"{about['scorer']}, {about['direction']}, {kind} {lowest:g} to {highest:g}, protocol {about['protocol']}"
    )
    if scorer.card.origin == RANDOM:
        typer.echo("random weights: these scores mean nothing")
    width = max(len(one_line(row["image"])) for row in rows)
    for row in rows:
        result = f"{row['score']:.4f}" if "score" in row else f"failed: {one_line(row['error'])}"
        typer.echo(f"{one_line(row['image']):{width}}  {result}")


def echo_line(line: str) -> None:
    """Say something on the error stream; names in it may hold whatever a stranger wrote."""
    typer.echo(f"irq: {plain(line)}", err=True)


def echo_first(kind: str, lines: list[str]) -> None:
    """Say the first few of many lines on the error stream, and where the others are."""
    for line in lines[:SHOWN]:
        typer.echo(f"{kind}: {one_line(line)}", err=True)
    if len(lines) > SHOWN:
        typer.echo(f"{kind}: {len(lines) - SHOWN} more, all in summary.json", err=True)


def track(work: list[Any]) -> Any:
    """Show progress on the terminal's error stream where there is more than one image."""
    if len(work) < 2 or not sys.stderr.isatty():
        return work
    from rich.console import Console
    from rich.progress import track as progress

    return progress(work, description="scoring", console=Console(stderr=True), transient=True)
