"""`irq evaluate`: which restoration is better, by how much, how surely, and where it fails."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from .completion import pyiqa_metrics, scorers
from .score import check_device, echo_first, echo_line, one_line

if TYPE_CHECKING:
    from ..evaluation.run import Evaluated, Plan

RANKING = (
    "Before each name its rank: one more than the number of methods that are surely better, by the paired differences "
    "on the images that all ranked methods have; -: too few of them for a rank. Means are over a method's own images, "
    "in brackets their 95 % intervals, from six images on."
)


def evaluate(
    restored: Annotated[
        list[str],
        typer.Option(
            metavar="[NAME=]DIR",
            help="A method and the folder of its images, which gives it a name otherwise; repeat it for each.",
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
            autocompletion=scorers,
            help="One of our scorers, with weights of your own (a file, or random); repeat it; `irq weights ls` lists.",
        ),
    ] = None,
    pyiqa: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", autocompletion=pyiqa_metrics, help="A pyiqa metric: psnr, ssim, ...; repeat it for more."
        ),
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
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1.")] = "auto",
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
    from ..data.folders import pair_folders, patterns_of
    from ..evaluation.run import Plan
    from ..evaluation.run import evaluate as run
    from ..evaluation.scale_check import check_scale
    from ..integrations.metric_requests import check_needs

    methods = named_folders(restored)
    check_needs(scorer or [], pyiqa or [], {"degraded": degraded is not None, "reference": reference is not None})
    if scale and degraded is None:
        raise UsageError(f"--scale {scale} compares with the degraded input; expected --degraded DIR beside it")
    if tile_px and tile_px < 256:
        raise UsageError(f"--tile-px {tile_px}; expected at least 256, or 0 for whole images of any size")
    if device != "auto":
        check_device(device)
    pairing = pair_folders(methods, degraded, reference, patterns_of(match or []))
    if scale:
        check_scale(pairing, scale)
    plan = Plan(pairing, tuple(scorer or ()), tuple(pyiqa or ()), scale, tile_px)
    folders = {"degraded": degraded, "reference": reference, **methods}
    with run(plan, out, device=device, workers=workers, restart=restart, say=echo_line) as found:
        if found is not None:
            finish(found, plan, {name: path for name, path in folders.items() if path}, out, as_json)


def named_folders(restored: list[str]) -> dict[str, Path]:
    """Read NAME=DIR, or DIR alone, which is called by its own name.

    Raises:
        UsageError: a name is missing, reserved or given twice.
    """
    methods: dict[str, Path] = {}
    for entry in restored:
        before, equals, after = entry.partition("=")
        name, folder = (before.strip(), after) if equals else (Path(entry).name, entry)
        if not name or not folder or name in ("degraded", "reference"):
            raise UsageError(f"--restored {entry}: expected NAME=DIR with a name other than degraded and reference")
        if name in methods:
            raise UsageError(f"--restored {entry}: the name {name!r} is given twice; expected one folder a method")
        methods[name] = Path(folder)
    return methods


def finish(found: Evaluated, plan: Plan, folders: dict[str, Path], out: Path, as_json: bool) -> None:
    """Write the three files, print the result, and end with 1 where a file could not be scored."""
    from ..checkpoints.json_file import write_json
    from ..data.results_folder import taking_their_place
    from ..evaluation.summary import summarise
    from ..evaluation.table_file import write_scores
    from ..report.evaluation import write_report

    table = found.table
    summary = summarise(found, plan.pairing, folders, plan.scale)
    with taking_their_place(out) as place:
        write_scores(place / "scores.csv", table)
        write_json(place / "summary.json", summary)
        write_report(place / "report.html", summary, table, plan.pairing, found.thumbnails, found.began)
    if as_json:
        typer.echo(json.dumps(summary, indent=1))
    else:
        show(summary)
        typer.echo(f"\n{out / 'report.html'}")
    speak_of_trouble(summary)
    if found.scored_now:
        rate = found.scored_now / max(found.seconds, 1e-9)
        echo_line(f"{found.scored_now} files scored in {found.seconds:.1f} s, {rate:.1f} a second")
    if summary["failed_files"]:
        raise typer.Exit(1)


def show(summary: Mapping[str, Any]) -> None:
    """Print a table a metric: best first, ties share a rank, where there are methods to compare."""
    width, several = max(len(one_line(name)) for name in summary["methods"]), len(summary["methods"]) > 1
    for metric, about in summary["metrics"].items():
        typer.echo(f"\n{metric}, {about['direction']}")
        scored = {name: entry for name, entry in about["methods"].items() if entry["count"]}
        sign, last = -1 if about["direction"].startswith("higher") else 1, len(scored) + 1
        order = sorted(scored, key=lambda name: (scored[name]["rank"] or last, sign * scored[name]["mean"]))
        for name in (*order, *(name for name in about["methods"] if name not in scored)):
            place = f"{scored.get(name, {}).get('rank') or '-'}  " if several else ""
            typer.echo(f"  {place}{one_line(name):{width}}  {line_of(scored.get(name))}")
    if several:
        typer.echo(f"\n{RANKING}")


def line_of(entry: Mapping[str, Any] | None) -> str:
    """What a metric says of a method: mean, its interval where there is one, and over how many images."""
    if entry is None:
        return "no score"
    ends = "" if None in entry["interval"] else "  [{:.4f}, {:.4f}]".format(*entry["interval"])
    return f"{entry['mean']:9.4f}{ends}  {entry['count']} image{'s' if entry['count'] > 1 else ''}"


def speak_of_trouble(summary: Mapping[str, Any]) -> None:
    """List what is unpaired and what failed on the error stream, the first of each, and what else to know."""
    echo_first(
        "unpaired", [f"{one['image']} ({', '.join(one['files'])}): {one['reason']}" for one in summary["unpaired"]]
    )
    reasons: dict[tuple[str, str], str] = {}
    for failure in summary["failures"]:
        reasons.setdefault((failure["image"], failure["method"]), failure["reason"])
    echo_first("failed", [f"{image} of {method}: {reason}" for (image, method), reason in reasons.items()])
    for note in summary["notes"]:
        echo_line(note)
