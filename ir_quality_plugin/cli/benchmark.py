"""`irq benchmark`: how metrics agree with people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from ..version import __version__

if TYPE_CHECKING:
    from ..data.labels import LabelTable
    from ..engine.benchmark import Result

FIGURES = {"srcc": "SRCC", "srcc_within": "within content", "krcc": "KRCC", "plcc_logistic": "PLCC, logistic"}
COLUMNS = ("image", "content", "distortion", "mos", "metric", "score", "reason")


class Unit(StrEnum):
    """What is resampled."""

    IMAGE = "image"
    CONTENT = "content"


def benchmark(
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images; with --set, the folder that the set unpacks to.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="CSV with the columns image, mos (or dmos), and any of reference, degraded, content, distortion."
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option("--set", help="pipal, kadid10k, tid2013, live, csiq, koniq10k or live_challenge, as it unpacks."),
    ] = None,
    degraded: Annotated[Path | None, typer.Option(help="Folder of the degraded inputs, paired by stem.")] = None,
    reference: Annotated[Path | None, typer.Option(help="Folder of the clean images, paired by stem.")] = None,
    votes: Annotated[
        Path | None, typer.Option(help="CSV of forced choices: first, second, first_votes, second_votes.")
    ] = None,
    scorer: Annotated[
        list[str] | None, typer.Option(help="Name of a scorer, or NAME=WEIGHTS (a file, or random); repeatable.")
    ] = None,
    pyiqa: Annotated[list[str] | None, typer.Option(help="Name of a metric of pyiqa; repeatable.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for scores.csv, summary.json and report.html.")] = Path("benchmark"),
    resample: Annotated[Unit, typer.Option(help="What intervals are over: images, or whole contents.")] = Unit.IMAGE,
    resamples: Annotated[int, typer.Option(min=100, help="Of the bootstrap.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json.")] = False,
) -> None:
    """Measure how metrics agree with human opinions: correlations, intervals, paired tests, and a page.

    Every metric is built once and all score an image while it is in memory. They are compared on the images that every
    one of them scored. An image that cannot be scored is listed with its reason, and the exit code is 1.
    """
    from ..checkpoints.json_file import write_json
    from ..data.results_folder import forget, held, place
    from ..data.votes import read_votes
    from ..engine.benchmark import in_common, missing_inputs, score_table
    from ..engine.benchmark_summary import summarise
    from ..evaluation.progress import followed
    from ..integrations.metric import build_metrics
    from ..report.benchmark_page import Seen, write_benchmark_page
    from .score import check_device, echo_line, one_line

    table = judged_images(labels, layout, images, degraded, reference)
    cast = read_votes(votes, table) if votes else []
    device = check_device(device)
    metrics = build_metrics(scorer or [], pyiqa or [], device)
    looked = [folder for folder in (reference, degraded, images, labels and labels.parent) if folder]
    for line in (*table.notes, *missing_inputs(table, metrics, looked)):
        echo_line(one_line(line))
    files = {"labels": labels, "images": images, "degraded": degraded, "reference": reference, "votes": votes}
    options = {
        "version": __version__, **{name: path and place(path) for name, path in files.items()}, "set": layout,
        "metrics": {name: metric.about for name, metric in metrics.items()},
        "resample": resample.value, "resamples": resamples, "seed": seed,
    }  # fmt: skip
    with held(out, "benchmark", options):
        forget(out)
        results = score_table(table, metrics, device, lambda work: followed(work, len(work), echo_line, unit="image"))
        write_scores(out / "scores.csv", table, results)
        document = summarise(table, metrics, results, cast, resample.value, resamples, seed)
        write_json(out / "summary.json", document)
        scored = in_common(table, metrics, results)
        page = write_benchmark_page(
            out / "report.html",
            document,
            Seen([row.image for row in scored.rows], scored.mos, scored.scores),
            f"irq benchmark {__version__}, {date.today()}",
        )
    if as_json:
        typer.echo(json.dumps(document, indent=1))
    else:
        show(document)
        typer.echo(f"The page: {page}")
    for line in document["warnings"]:
        echo_line(line)
    failed = len(document["failures"])
    if failed:
        echo_line(f"{failed} of {len(results)} scores failed; {out / 'scores.csv'} has the reasons")
        raise typer.Exit(1)


def judged_images(
    labels: Path | None, layout: str | None, images: Path | None, degraded: Path | None, reference: Path | None
) -> LabelTable:
    """Read the set, give its rows their inputs, and leave out what would be counted twice or without merit."""
    from ..data.partners import with_folder, without_references, without_repeats

    table = without_repeats(read_set(labels, layout, images))
    for role, folder in (("degraded", degraded), ("reference", reference)):
        if folder is not None:
            table = with_folder(table, role, folder)
    return without_references(table)


def read_set(labels: Path | None, layout: str | None, images: Path | None) -> LabelTable:
    """Read the judged images from a CSV, or from a public set's folder."""
    from ..data.readers import read_csv, read_labels

    if (labels is None) == (layout is None):
        given = "both" if labels else "neither"
        raise UsageError(f"{given} --labels and --set were given; expected one: a CSV, or the name of a public set")
    if images is not None and not images.is_dir():
        raise UsageError(f"--images {images}: there is no such folder; expected the folder of the images")
    if labels is not None:
        return read_csv(labels, images)
    if images is None:
        raise UsageError(f"--set {layout} needs --images DIR, the folder that the set unpacks to")
    return read_labels(str(layout), images)


def write_scores(path: Path, table: LabelTable, results: Sequence[Result]) -> None:
    """Write one row an image and metric, failures with their reason."""
    from ..checkpoints.table_file import write_table

    names = table.names()
    cells = (
        (names[row.image], row.content, row.distortion or "", row.mos, metric, "" if score is None else score, reason)
        for row, metric, score, reason, _ in results
    )
    write_table(path, COLUMNS, cells)


def show(document: dict[str, Any]) -> None:
    """Print the table: each figure with its interval, ranks from the paired test."""
    from ..report.text import ranking_note, text_of

    metrics, compared = document["metrics"], document["compared"]
    typer.echo(f"{document['set']['name']}: {compared['images']} images of {compared['contents']} contents")

    def cell(found: dict[str, Any], kind: str) -> str:
        ends = " to ".join(text_of(end, ".2f") for end in found["intervals"][kind])
        return text_of(found[kind]) + ("" if None in found["intervals"][kind] else f" [{ends}]")

    rows = [["rank", "metric", *FIGURES.values()]]
    for name, found in metrics.items():
        rows.append([text_of(found["rank"], "d"), name, *(cell(found, kind) for kind in FIGURES)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip())
    for name, why in document["not_compared"].items():
        typer.echo(f"-     {name}: {why}")
    if document["test"]["pairs"]:
        typer.echo(ranking_note(document["test"]))
    if any(None not in ends for found in metrics.values() for ends in found["intervals"].values()):
        typer.echo("In brackets: 95 % intervals, each of its own figure.")
