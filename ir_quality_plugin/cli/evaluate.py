"""`irq evaluate`: which restoration is better, by how much, how surely, and where it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from .score import check_device, one_line

if TYPE_CHECKING:
    from ..evaluation.run import Evaluated, Plan

SHOWN = 5


def evaluate(
    restored: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=DIR",
            help="A method and the folder of its images; repeat it for each method.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the results.", show_default=False)],
    degraded: Annotated[Path | None, typer.Option(help="Folder of the degraded inputs.")] = None,
    reference: Annotated[Path | None, typer.Option(help="Folder of the clean images.")] = None,
    scorer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=FILE]",
            help="One of our scorers, with weights of your own (a file, or random); repeat it; `irq weights ls` lists.",
        ),
    ] = None,
    pyiqa: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A pyiqa metric: psnr, ssim, ...; repeat it for more.")
    ] = None,
    match: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]PATTERN", help="How stems are made: '{image}_x4_*', for one folder or all."),
    ] = None,
    scale: Annotated[
        int | None, typer.Option(min=1, help="Require restored images of N times the degraded size.")
    ] = None,
    tile_px: Annotated[
        int, typer.Option(min=0, help="Above TILE_PX**2 pixels an image is scored by tiles; 0 for never.")
    ] = 2048,
    workers: Annotated[int, typer.Option(min=1, help="Threads that read images ahead, a process.")] = 2,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew instead of going on with an earlier run.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json instead of a table.")] = False,
) -> None:
    """Compare restoration methods by folders of their images.

    Writes OUT/scores.csv, OUT/summary.json and OUT/report.html. Images are paired by stem. A run that was stopped goes
    on where it was when it is called again. Files that cannot be scored are listed with their reason, and the exit code
    is 1. Several processes: torchrun --nproc_per_node 2 -m ir_quality_plugin evaluate ...
    """
    from ..data.folders import pair_folders
    from ..evaluation.run import Plan
    from ..evaluation.run import evaluate as run
    from ..integrations.metric_requests import check_needs

    methods = named_folders(restored)
    check_needs(scorer or [], pyiqa or [], {"degraded": degraded is not None, "reference": reference is not None})
    if scale and degraded is None:
        raise UsageError(f"--scale {scale} compares with the degraded input; expected --degraded DIR beside it")
    if tile_px and tile_px < 256:
        raise UsageError(f"--tile-px {tile_px}; expected at least 256, or 0 for whole images of any size")
    if device != "auto":
        check_device(device)
    pairing = pair_folders(methods, degraded, reference, dict(_split(entry, "") for entry in match or []))
    plan = Plan(pairing, tuple(scorer or ()), tuple(pyiqa or ()), scale, tile_px)
    folders = {"degraded": degraded, "reference": reference, **methods}
    with run(plan, out, device=device, workers=workers, restart=restart, say=said) as found:
        if found is not None:
            finish(found, plan, {name: path for name, path in folders.items() if path}, out, as_json)


def said(line: str) -> None:
    """Tell the user something on the error stream, at once."""
    typer.echo(line, err=True)


def named_folders(restored: list[str]) -> dict[str, Path]:
    """Read NAME=DIR, or DIR alone, which is called by its own name.

    Raises:
        UsageError: a name is missing, reserved or given twice.
    """
    methods: dict[str, Path] = {}
    for entry in restored:
        name, folder = _split(entry, Path(entry).name)
        if not name or not folder or name in ("degraded", "reference"):
            raise UsageError(f"--restored {entry}: expected NAME=DIR with a name other than degraded and reference")
        if name in methods:
            raise UsageError(f"--restored {entry}: the name {name!r} is given twice; expected one folder a method")
        methods[name] = Path(folder)
    return methods


def _split(entry: str, name: str) -> tuple[str, str]:
    """NAME=REST as (NAME, REST); (`name`, entry) where there is no name."""
    before, equals, after = entry.partition("=")
    return (before.strip(), after) if equals else (name, entry)


def finish(found: Evaluated, plan: Plan, folders: dict[str, Path], out: Path, as_json: bool) -> None:
    """Write the three files, print the result, and end with 1 where a file could not be scored."""
    from ..checkpoints.write import whole
    from ..data.results_folder import forget
    from ..evaluation.summary import summarise
    from ..evaluation.table_file import write_scores
    from ..report.evaluation import write_report

    table = found.table
    summary = summarise(found, plan.pairing, folders, plan.scale)
    forget(out)
    write_scores(out / "scores.csv", table)
    text = json.dumps(summary, indent=1)
    with whole(out / "summary.json") as unfinished:
        unfinished.write_text(text + "\n")
    page = write_report(out / "report.html", summary, table, plan.pairing, found.thumbnails)
    if as_json:
        typer.echo(text)
    else:
        show(summary)
        typer.echo(f"\n{page}")
    speak_of_trouble(summary)
    if found.scored_now:
        rate = found.scored_now / max(found.seconds, 1e-9)
        typer.echo(f"{found.scored_now} files scored in {found.seconds:.1f} s, {rate:.1f} a second", err=True)
    if summary["failed_files"]:
        raise typer.Exit(1)


def show(summary: dict[str, Any]) -> None:
    """Print a table a metric: best first, ties share a rank."""
    width = max(len(one_line(name)) for name in summary["methods"])
    for metric, about in summary["metrics"].items():
        typer.echo(f"\n{metric}, {about['direction']}")
        scored = {name: entry for name, entry in about["methods"].items() if entry["count"]}
        sign, last = -1 if about["direction"].startswith("higher") else 1, len(scored) + 1
        for name, entry in sorted(scored.items(), key=lambda item: (item[1]["rank"] or last, sign * item[1]["mean"])):
            low, high = entry["interval"]
            typer.echo(
                f"  {entry['rank'] or '-'}  {one_line(name):{width}}  {entry['mean']:9.4f}  [{low:.4f}, {high:.4f}]  "
                f"{entry['count']} images"
            )
        for name in about["methods"]:
            if name not in scored:
                typer.echo(f"  -  {one_line(name):{width}}  no score")


def speak_of_trouble(summary: dict[str, Any]) -> None:
    """List what is unpaired and what failed on the error stream, the first of each."""
    for entry in summary["unpaired"][:SHOWN]:
        typer.echo(f"unpaired: {one_line(entry['folder'])}/{one_line(entry['file'])}: {entry['reason']}", err=True)
    more = len(summary["unpaired"]) - SHOWN
    if more > 0:
        typer.echo(f"unpaired: {more} more, all in summary.json", err=True)
    if summary["scale"]["unchecked_files"]:
        typer.echo(f"irq: {next(note for note in summary['notes'] if note.startswith('--scale'))}", err=True)
    reasons: dict[tuple[str, str], str] = {}
    for failure in summary["failures"]:
        reasons.setdefault((failure["image"], failure["method"]), failure["reason"])
    for (image, method), reason in list(reasons.items())[:SHOWN]:
        typer.echo(f"failed: {one_line(image)} of {one_line(method)}: {one_line(reason)}", err=True)
    if reasons:
        ending = "; all reasons in scores.csv and summary.json" if len(reasons) > SHOWN else ""
        typer.echo(f"irq: {len(reasons)} of {summary['files']} files could not be scored{ending}", err=True)
