"""`irq benchmark`: how metrics agree with people."""

from __future__ import annotations

import json
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..version import __version__
from .completion import pyiqa_metrics, scorers

FIGURES = {"srcc": "SRCC", "srcc_within": "within content", "krcc": "KRCC", "plcc_logistic": "PLCC, logistic"}
VOTES = {"accuracy": "pair accuracy", "two_afc": "2AFC"}


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
        list[str] | None,
        typer.Option(help="Name of a scorer, or NAME=WEIGHTS (a file, or random); repeatable.", autocompletion=scorers),
    ] = None,
    pyiqa: Annotated[
        list[str] | None, typer.Option(help="Name of a metric of pyiqa; repeatable.", autocompletion=pyiqa_metrics)
    ] = None,
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
    from ..data.votes import read_votes
    from ..engine.benchmark import missing_inputs
    from ..engine.benchmark_run import Judged, benchmarked_folder, read_judged
    from ..evaluation.progress import followed
    from ..integrations.metric import build_metrics
    from ..report.benchmark_page import Seen, write_benchmark_page
    from .score import check_device, echo_line, one_line

    judged = Judged(labels, layout, images, degraded, reference, votes)
    table = read_judged(judged)
    cast = read_votes(votes, table) if votes else []
    device = check_device(device)
    metrics = build_metrics(scorer or [], pyiqa or [], device)
    for line in (*table.notes, *missing_inputs(table, metrics, judged.looked())):
        echo_line(one_line(line))
    with benchmarked_folder(
        judged,
        table,
        cast,
        metrics,
        out,
        resample.value,
        resamples,
        seed,
        device,
        lambda work: followed(work, len(work), echo_line, unit="image"),
    ) as (document, results, scored, place):
        write_benchmark_page(
            place / "report.html",
            document,
            Seen([row.image for row in scored.rows], scored.mos, scored.scores),
            f"irq benchmark {__version__}, {date.today()}",
        )
    if as_json:
        typer.echo(json.dumps(document, indent=1))
    else:
        show(document)
        typer.echo(f"The page: {out / 'report.html'}")
    for line in document["warnings"]:
        echo_line(line)
    failed = len(document["failures"])
    if failed:
        echo_line(f"{failed} of {len(results)} scores failed; {out / 'scores.csv'} has the reasons")
        raise typer.Exit(1)


def show(document: dict[str, Any]) -> None:
    """Print the table: each figure with its interval, ranks from the paired test."""
    from ..report.text import ranking_note, text_of, votes_note
    from .score import one_line

    metrics, compared, pairs = document["metrics"], document["compared"], document["votes"]
    typer.echo(f"{one_line(document['set']['name'])}: {compared['images']} images of {compared['contents']} contents")

    def cell(value: float | None, ends: list[float | None]) -> str:
        between = " to ".join(text_of(end, ".2f") for end in ends)
        return text_of(value) + ("" if None in ends else f" [{between}]")

    columns = [*FIGURES.values(), *(VOTES.values() if pairs and pairs["used"] else ())]
    rows = [["rank", "metric", *columns, "rank within"]]
    for name, found in metrics.items():
        cells = [cell(found[kind], found["intervals"][kind]) for kind in FIGURES]
        cells += [cell(found["votes"][kind], found["votes"][f"{kind}_interval"]) for kind in VOTES if found["votes"]]
        rows.append([text_of(found["rank"], "d"), name, *cells, text_of(found["rank_within"], "d")])
    if not compared["contents_within"]:
        rows = [row[:-1] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip())
    for name, why in document["not_compared"].items():
        typer.echo(one_line(f"-     {name}: {why}"))
    if document["test"]["pairs"]:
        typer.echo(ranking_note(document["test"], document["test_within"]))
    if pairs:
        typer.echo(votes_note(pairs))
    if any(None not in ends for found in metrics.values() for ends in found["intervals"].values()):
        typer.echo("In brackets: 95 % intervals, each of its own figure.")
