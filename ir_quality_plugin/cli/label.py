"""`irq label`: labels for restored images that no person has judged."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from ..files import regular
from .score import echo_line

if TYPE_CHECKING:
    from ..integrations.saved_networks import SavedNetwork

METRICS = ("fsim", "vsi", "gmsd")
SHOWN = 20


def label(
    table: Annotated[
        Path,
        typer.Option(help="CSV with the columns image and reference, as `irq triplets` writes.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="The table of labels to write, ending in .csv.")] = Path("labels.csv"),
    images: Annotated[
        Path | None, typer.Option(help="Folder that the table's paths are relative to; by default the table's own.")
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metric", help=f"A full-reference metric of pyiqa; repeatable. [default: {', '.join(METRICS)}]"),
    ] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="A net_g_*.pth of TeacherRestorationNet: its features judge as well.")
    ] = None,
    teacher_options: Annotated[
        Path | None, typer.Option(help="The option file it was trained with; by default the one of its run.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weight", help="NAME=NUMBER for a metric or teacher_statistics; repeatable.", show_default=False
        ),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="A PNG to draw: some inputs and their restorations, best label first.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Label restored images by a consensus of metrics that see the clean image. NO human opinion is in these labels.

    Each metric ranks the whole table; an image's label is the share of the table that it beats, averaged over metrics,
    in (0,1), where a clean image would have 1. Half of the weight is the teacher's, half pyiqa's. A run that was ended
    goes on where it was; one with further metrics computes these alone.
    """
    from ..data.readers import read_triplets
    from ..integrations.labelling import label as label_all

    if teacher_options is not None and teacher is None:
        raise UsageError("--teacher-options without --teacher; expected the weights as well")
    if out.resolve() == table.resolve():
        raise UsageError(f"--out {out} is the table itself, and would lose what it holds; expected another name")
    if sheet is not None:
        check_sheet(sheet, table, out)
    triplets = read_triplets(table, images)
    judge = None if teacher is None else saved_network(teacher, teacher_options)
    done = label_all(triplets, out, metrics or METRICS, judge, _weights(weights or []), workers)
    typer.echo(f"{out}: {done.images} labels by {', '.join(f'{n} ({w:.3g})' for n, w in done.weights.items())}")
    if judge is None:
        typer.echo("Without --teacher, these are pixel metrics alone: they agree poorly with people about GANs.")
    if sheet is not None:
        draw(out, sheet)
    list_failures(done.failures, len(triplets), "have no label")


def check_sheet(sheet: Path, table: Path, out: Path) -> None:
    """Refuse to draw over anything but an earlier sheet.

    Raises:
        UsageError: it is a file of another kind, or one that the same call reads or writes.
    """
    from ..report.label_sheet import is_sheet

    others = (table, out, out.with_suffix(".json"), out.with_suffix(".scores.jsonl"))
    if sheet.resolve() in [path.resolve() for path in others] or (sheet.exists() and not is_sheet(sheet)):
        raise UsageError(
            f"--sheet {sheet} is no sheet that irq label drew, and would lose what it holds; expected a new name"
        )


def draw(labels: Path, sheet: Path) -> None:
    """Draw some of the labelled images: labels are to be looked at before anything is trained on them."""
    from ..data.readers import read_labels
    from ..report.label_sheet import label_sheet, save_sheet

    save_sheet(label_sheet(read_labels("csv", labels)), sheet)
    typer.echo(f"{sheet}: look at them before anything is trained on these labels")


def saved_network(weights: Path, options: Path | None) -> SavedNetwork:
    """Pair a file of weights with its option file, by default that of its run.

    Raises:
        UsageError: no option file, or one that is no YAML mapping.
    """
    from ..data.yaml12 import parse
    from ..integrations.saved_networks import SavedNetwork, options_beside

    path = options or options_beside(weights)
    try:
        content = parse(regular(path).read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}; expected the option file of {weights.name}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no mapping; expected the option file that {weights.name} was trained with")
    return SavedNetwork(weights, content)


def list_failures(failures: dict[str, int], total: int, lack: str) -> None:
    """Say once what went wrong, and exit with 1 if anything did."""
    if not failures:
        return
    for reason, count in list(failures.items())[:SHOWN]:
        echo_line(reason + (f" ({count} images)" if count > 1 else ""))
    if len(failures) > SHOWN:
        echo_line(f"and {len(failures) - SHOWN} more reasons")
    echo_line(f"{sum(failures.values())} of {total} images {lack}")
    raise typer.Exit(1)


def _weights(given: list[str]) -> dict[str, float]:
    found = {}
    for entry in given:
        name, _, number = entry.partition("=")
        try:
            found[name] = float(number)
        except ValueError as error:
            raise UsageError(f"--weight {entry}: expected NAME=NUMBER, such as ssim=0.5") from error
    return found
