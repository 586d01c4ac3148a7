"""`irq benchmark`: how metrics agree with people."""

from __future__ import annotations

import csv
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
    device: Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json.")] = False,
) -> None:
    """Measure how metrics agree with human opinions: correlations, intervals, paired tests, and a page.

    Every metric is built once and all score an image while it is in memory. They are compared on the images that every
    one of them scored. An image that cannot be scored is listed with its reason, and the exit code is 1.
    """
    from ..data.votes import read_votes
    from ..engine.benchmark import (
        in_common,
        missing_inputs,
        score_table,
        summarise,
        with_folders,
        without_references,
    )
    from ..integrations.metric import build_metrics
    from ..report.benchmark_page import Seen, write_benchmark_page
    from .score import check_device

    check_out(out)
    table = without_references(with_folders(read_set(labels, layout, images), degraded, reference))
    cast = read_votes(votes, table) if votes else []
    metrics = build_metrics(scorer or [], pyiqa or [], check_device(device))
    for line in (*table.notes, *missing_inputs(table, metrics)):
        typer.echo(f"irq: {line}", err=True)
    results = score_table(table, metrics, device, track)
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
    failed = len(document["failures"])
    if failed:
        typer.echo(f"irq: {failed} of {len(results)} scores failed; {out / 'scores.csv'} has the reasons", err=True)
        raise typer.Exit(1)


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


def check_out(out: Path) -> None:
    """Make the folder of the results, before any work is done for it."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: it is a file; expected a folder")
    out.mkdir(parents=True, exist_ok=True)


def track(work: Sequence[Any]) -> Any:
    """Show progress on the error stream where that is a terminal."""
    from tqdm import tqdm

    return tqdm(work, desc="scoring", unit="image", disable=None, leave=False)


def write_scores(path: Path, table: LabelTable, results: Sequence[Result]) -> None:
    """Write one row an image and metric, failures with their reason."""
    from ..checkpoints.write import whole

    with whole(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for row, metric, score, reason, _ in results:
            shown = "" if score is None else repr(score)
            rows.writerow([row.image, row.content, row.distortion or "", row.mos, metric, shown, reason])


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document, whole or not at all."""
    from ..checkpoints.write import whole

    with whole(path) as unfinished:
        unfinished.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def show(document: dict[str, Any]) -> None:
    """Print the table."""
    from ..report.text import text_of

    metrics, compared = document["metrics"], document["compared"]
    typer.echo(f"{document['set']['name']}: {compared['images']} images of {compared['contents']} contents")
    width = max(map(len, (*metrics, "metric")))
    typer.echo(f"{'metric':{width}}  {'SRCC':>6}  {'95 % interval':14}  within   KRCC   PLCC (logistic)")
    for name, found in sorted(metrics.items(), key=lambda item: (item[1]["srcc"] is None, -(item[1]["srcc"] or 0))):
        low, high = (text_of(end) for end in found["intervals"]["srcc"])
        cells = (text_of(found[kind]) for kind in ("srcc", "srcc_within", "krcc", "plcc_logistic"))
        first, within, kendall, fitted = (f"{cell:>6}" for cell in cells)
        typer.echo(f"{name:{width}}  {first}  {f'{low} to {high}':14}  {within}  {kendall}  {fitted}")
