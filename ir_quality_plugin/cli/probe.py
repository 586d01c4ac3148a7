"""`irq probe`: how easily a metric is gamed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import plain
from ..version import __version__
from .completion import pyiqa_metrics, scorers
from .score import check_device, echo_first, echo_line


def probe(
    images: Annotated[Path, typer.Option(help="Folder of the restored images that are attacked.", show_default=False)],
    scorer: Annotated[
        list[str] | None,
        typer.Option(help="Name of a scorer, or NAME=WEIGHTS (a file, or random); repeatable.", autocompletion=scorers),
    ] = None,
    pyiqa: Annotated[
        list[str] | None, typer.Option(help="Name of a metric of pyiqa; repeatable.", autocompletion=pyiqa_metrics)
    ] = None,
    degraded: Annotated[
        Path | None,
        typer.Option(help="Folder of the degraded inputs, paired by name; without it, each image reduced four times."),
    ] = None,
    reference: Annotated[Path | None, typer.Option(help="Folder of the clean images, paired by name.")] = None,
    match: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]PATTERN",
            help="How stems are made: '{image}_x4_*'; NAME is restored, degraded or reference, or left out for all.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for scores.csv, summary.json, report.html, pictures.")] = Path(
        "probe"
    ),
    epsilon: Annotated[int, typer.Option(min=1, help="How far a pixel may move, in 1/255.")] = 2,
    steps: Annotated[int, typer.Option(min=1, help="Of the ascent.")] = 20,
    step_size: Annotated[
        float | None,
        typer.Option(
            min=0.01, help="Of the first step, in 1/255; they fall linearly to nothing.", show_default="half of epsilon"
        ),
    ] = None,
    starts: Annotated[int, typer.Option(min=1, help="First at the image itself, then at random.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="Images at most, spread evenly over the folder.")] = 16,
    side: Annotated[int, typer.Option(min=32, help="Side of the middle that is used of each image, in pixels.")] = 256,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json.")] = False,
) -> None:
    """Measure how far metrics can be driven up by changes that nobody sees.

    Gradient ascent within a small ball around each image, with the same numbers for every metric. The gain is counted
    in the metric's own range: how far its score moves when the picture is blurred, made noisy and compressed at five
    levels. An image that a metric cannot score is listed with its reason, and the exit code is 1.
    """
    from ..data.folders import patterns_of
    from ..engine.gaming import Attack
    from ..engine.probe_plan import Plan
    from ..engine.probe_run import probed_folder
    from ..evaluation.progress import followed
    from ..integrations.metric import build_metrics
    from ..integrations.metric_requests import check_needs
    from ..report.probe_page import write_probe_page

    attack = Attack(epsilon, steps, epsilon / 2 if step_size is None else step_size, starts, seed)
    check_needs(scorer or [], pyiqa or [], {"degraded": True, "reference": reference is not None})
    plan = Plan(images, degraded, reference, attack, side, limit, patterns_of(match or []))
    device = check_device(device)
    metrics = build_metrics(scorer or [], pyiqa or [], device)
    with probed_folder(
        plan,
        metrics,
        out,
        device,
        lambda work: followed(work, len(work), echo_line, doing="probing", unit="image"),
    ) as (document, rows, place):
        subtitle = f"irq probe {__version__}, {date.today()}"
        write_probe_page(place / "report.html", document, rows, subtitle, pictures=out)
    if as_json:
        typer.echo(json.dumps(document, indent=1))
    else:
        show(document)
        typer.echo(f"The page: {out / 'report.html'}")
    echo_first("unpaired", [f"{one['folder']}/{one['file']}: {one['reason']}" for one in document["unpaired"]])
    if document["failures"]:
        echo_first("failed", [f"{one['image']}, {one['metric']}: {one['reason']}" for one in document["failures"]])
        failed = sum(bool(row["reason"]) for row in rows)
        echo_line(f"{failed} of {len(rows)} probes failed; {out / 'scores.csv'} and summary.json have the reasons")
        raise typer.Exit(1)


def show(document: Mapping[str, Any]) -> None:
    """Print the table: metrics that judge without the clean image, then those that see it."""
    attack, metrics, count = document["attack"], document["metrics"], document["images"]
    typer.echo(
        f"{count} image{'s' if count > 1 else ''}; no pixel moves by more than {attack['epsilon_255']}/255; "
        f"{attack['steps']} steps from {attack['step_255']:g}/255 down to 0, from each of {attack['starts']} starts"
    )
    width = max(map(len, (*metrics, "metric")))
    typer.echo(f"{'metric':{width}}  gain, of its natural range   greatest   gradient l1")
    seeing = [name for name in metrics if metrics[name]["needs"] == "reference"]
    for group in ([name for name in metrics if name not in seeing], seeing):
        if group is seeing and seeing:
            typer.echo("they see the clean image, and may move towards it, which is no gaming:")
        for name in sorted(group, key=lambda name: metrics[name]["gain"]):
            found, ends = metrics[name], metrics[name]["gain_interval"]
            interval = f"{ends[0]:.1%} to {ends[1]:.1%}" if ends else ""
            greatest, slope = f"{found['gain_greatest']:8.1%}", f"{found['gradient_l1']:.4g}"
            typer.echo(f"{name:{width}}  {found['gain']:8.1%}  {interval:16}  {greatest}   {slope}")
    for note in document["notes"]:
        typer.echo(plain(f"note: {note}"))
