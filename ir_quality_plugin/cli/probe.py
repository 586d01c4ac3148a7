"""`irq probe`: how easily a metric is gamed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ImageError, MissingInputError, UsageError
from ..version import __version__
from .benchmark import check_out, track, write_json

if TYPE_CHECKING:
    import torch

    from ..engine.gaming import Attack, Images
    from ..engine.probe import Finding
    from ..integrations.metric import Metric

COLUMNS = ("image", "metric", "start", "gamed", "natural_range", "gain", "gradient_l1", "picture", "reason")


def probe(
    images: Annotated[Path, typer.Option(help="Folder of the restored images that are attacked.", show_default=False)],
    scorer: Annotated[
        list[str] | None, typer.Option(help="Name of a scorer, or NAME=WEIGHTS (a file, or random); repeatable.")
    ] = None,
    pyiqa: Annotated[list[str] | None, typer.Option(help="Name of a metric of pyiqa; repeatable.")] = None,
    degraded: Annotated[
        Path | None,
        typer.Option(help="Folder of the degraded inputs, paired by stem; without it, each image reduced four times."),
    ] = None,
    reference: Annotated[Path | None, typer.Option(help="Folder of the clean images, paired by stem.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for scores.csv, summary.json, report.html, pictures.")] = Path(
        "probe"
    ),
    epsilon: Annotated[int, typer.Option(min=1, help="How far a pixel may move, in 1/255.")] = 2,
    steps: Annotated[int, typer.Option(min=1, help="Of the ascent.")] = 20,
    step_size: Annotated[float, typer.Option(min=0.01, help="Of a step, in 1/255.")] = 0.5,
    starts: Annotated[int, typer.Option(min=1, help="First at the image itself, then at random.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="Images at most, spread evenly over the folder.")] = 16,
    side: Annotated[int, typer.Option(min=32, help="Side of the middle that is used of each image, in pixels.")] = 256,
    device: Annotated[str, typer.Option(help="Where to compute: cpu, cuda, cuda:1.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json.")] = False,
) -> None:
    """Measure how far metrics can be driven up by changes that nobody sees.

    Gradient ascent within a small ball around each image, with the same numbers for every metric. The gain is counted
    in the metric's own range: how far its score moves when the picture is blurred, made noisy and compressed at five
    levels. An image that a metric cannot score is listed with its reason, and the exit code is 1.
    """
    from ..engine.gaming import Attack
    from ..engine.probe import summarise
    from ..integrations.metric import build_metrics
    from ..report.probe_page import write_probe_page
    from .score import check_device

    attack = Attack(epsilon, steps, step_size, starts, seed)
    chosen = choose(images, limit)
    partners = {
        name: partners_of(chosen, folder) for name, folder in (("degraded", degraded), ("reference", reference))
    }
    metrics = build_metrics(scorer or [], pyiqa or [], check_device(device))
    check_needs(metrics, reference)
    check_out(out)
    rows: list[dict[str, Any]] = []
    findings: dict[str, list[Finding]] = {name: [] for name in metrics}
    others: dict[str, list[dict[str, float]]] = {name: [] for name in metrics}
    for row, finding, said in probe_all(metrics, chosen, partners, side, device, attack, out / "pictures"):
        rows.append(row)
        if finding is not None:
            findings[row["metric"]].append(finding)
            others[row["metric"]].append(said)
    write_rows(out / "scores.csv", rows)
    known = {name: own for name, own in findings.items() if own}
    if not known:
        raise ImageError(f"nothing could be probed; the first reason: {rows[0]['reason']}")
    failures = [{key: str(row[key]) for key in ("image", "metric", "reason")} for row in rows if row["reason"]]
    document = {
        "attack": asdict(attack),
        "images": len(chosen),
        "side_px": side,
        "degraded": "each image reduced four times" if degraded is None else "given",
        "reference": "none" if reference is None else "given",
        "metrics": summarise(known, others, attack),
        "failures": failures,
    }
    write_json(out / "summary.json", document)
    page = write_probe_page(out / "report.html", document, rows, f"irq probe {__version__}, {date.today()}")
    if as_json:
        typer.echo(json.dumps(document, indent=1))
    else:
        show(document)
        typer.echo(f"The page: {page}")
    if failures:
        typer.echo(f"irq: {len(failures)} of {len(rows)} probes failed; {out / 'scores.csv'} has the reasons", err=True)
        raise typer.Exit(1)


def choose(folder: Path, limit: int) -> list[Path]:
    """List at most so many images of a folder, spread evenly."""
    from ..data.images import list_images

    if not folder.is_dir():
        raise UsageError(f"--images {folder}: there is no such folder; expected the folder of the images")
    listed = list_images(folder)
    step = max(len(listed) / limit, 1)
    return [listed[int(index * step)] for index in range(min(limit, len(listed)))]


def partners_of(images: list[Path], folder: Path | None) -> list[Path] | list[None]:
    """Pair by stem; nothing where there is no folder."""
    from ..data.images import pair_by_stem

    return [None] * len(images) if folder is None else pair_by_stem(images, folder)


def check_needs(metrics: Mapping[str, Metric], reference: Path | None) -> None:
    """Say what is missing before the run."""
    missing = [name for name, metric in metrics.items() if metric.needs == "reference"]
    if missing and reference is None:
        raise MissingInputError(
            f"clean images are needed for {', '.join(missing)}; pass --reference DIR, paired by stem"
        )


def probe_all(
    metrics: Mapping[str, Metric],
    images: Sequence[Path],
    partners: Mapping[str, Sequence[Path | None]],
    side: int,
    device: str,
    attack: Attack,
    folder: Path,
) -> Iterator[tuple[dict[str, Any], Finding | None, dict[str, float]]]:
    """Probe image after image: a row a metric, what was found, and what the other metrics say of the gamed picture."""
    from ..engine.gaming import prepare
    from ..engine.probe import judged
    from ..engine.probe import probe as probe_one

    stems = [image.stem for image in images]
    for index, image in enumerate(track(images)):
        name = image.stem if stems.count(image.stem) == 1 else image.name
        try:
            paths = {"restored": image, **{key: paths[index] for key, paths in partners.items()}}
            prepared = prepare(read_all(paths, device), side)
        except ImageError as error:
            for metric in metrics:
                yield {"image": image, "metric": metric, "reason": str(error)}, None, {}
            continue
        found = probe_one(metrics, prepared, attack)
        said = judged(metrics, prepared, found)
        original = save(prepared.restored, folder / "original" / f"{name}.png")
        for metric, gamed in found.items():
            if isinstance(gamed, str):
                yield {"image": image, "metric": metric, "reason": gamed}, None, {}
                continue
            finding = gamed.finding
            row = {
                "image": image,
                "metric": metric,
                "start": finding.start,
                "gamed": finding.end,
                "natural_range": finding.range,
                "gain": finding.gain,
                "gradient_l1": finding.gradient_l1,
                "picture": save(gamed.picture, folder / metric / f"{name}.png"),
                "original": original,
                "reason": "",
            }
            yield row, finding, said[metric]


def read_all(paths: Mapping[str, Path | None], device: str) -> Images:
    """Read a restored image and what it is judged against."""
    from ..data.images import read_image
    from ..engine.gaming import Images

    return Images(**{key: read_image(path)[None].to(device) for key, path in paths.items() if path is not None})


def save(image: torch.Tensor, path: Path) -> Path:
    """Write a picture as 8 bits, lossless."""
    from PIL import Image

    from ..checkpoints.write import whole

    rgb = (image[0].permute(1, 2, 0) * 255).round().byte().cpu().numpy()
    with whole(path) as unfinished:
        Image.fromarray(rgb).save(unfinished, format="png")
    return path


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one row an image and metric, failures with their reason."""
    from ..checkpoints.write import whole

    with whole(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def show(document: Mapping[str, Any]) -> None:
    """Print the table."""
    attack, metrics = document["attack"], document["metrics"]
    typer.echo(
        f"{document['images']} images; no pixel moves by more than {attack['epsilon_255']}/255; {attack['steps']} "
        f"steps of {attack['step_255']:g}/255 from each of {attack['starts']} starts"
    )
    width = max(map(len, (*metrics, "metric")))
    typer.echo(f"{'metric':{width}}  gain, of its natural range   greatest   gradient l1")
    for name, found in sorted(metrics.items(), key=lambda item: item[1]["gain"]):
        ends = found["gain_interval"]
        interval = f"{ends[0]:.1%} to {ends[1]:.1%}" if ends else ""
        greatest, slope = f"{found['gain_greatest']:8.1%}", f"{found['gradient_l1']:.4g}"
        typer.echo(f"{name:{width}}  {found['gain']:8.1%}  {interval:16}  {greatest}   {slope}")
