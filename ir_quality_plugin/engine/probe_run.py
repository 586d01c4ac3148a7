"""Probe a folder of images: what fails has its reason, and pictures are written as they come."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image

from ..checkpoints.json_file import write_json
from ..checkpoints.table_file import write_table
from ..checkpoints.write import whole
from ..data.folders import DEGRADED, RESTORED, Unpaired
from ..data.results_folder import held, taking_their_place
from ..data.score_table import formula_note
from ..errors import ImageError
from ..integrations.metric import Metric
from ..models.card import RANDOM
from .probe import Finding, judged, probe, summarise
from .probe_plan import Plan, Subject, check_metrics, find_subjects, options_of, read_subject

COLUMNS = ("image", "metric", "start", "gamed", "natural_range", "gain", "gradient_l1", "picture", "reason")
# Fewer images than this say little of others.
ENOUGH_TO_PROBE = 10
# Of a picture's stem: a file's name has 255 in all.
MOST_BYTES = 200


class Probed(NamedTuple):
    """What one metric was found to do on one image.

    Attributes:
        row: by `COLUMNS`, and the file `original`; pictures are relative to the folder of the results.
        finding: None where it failed.
        judgements: what the other metrics say of the gamed picture, or why they say nothing.
    """

    row: dict[str, Any]
    finding: Finding | None = None
    judgements: Mapping[str, float | str] = {}


@contextmanager
def probed_folder(
    plan: Plan,
    metrics: Mapping[str, Metric],
    out: Path,
    device: str = "cpu",
    track: Callable[[Sequence[Subject]], Iterable[Subject]] = iter,
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]], Path]]:
    """Probe the images of a folder; write scores.csv, summary.json and the pictures.

    The folder of the results is held until the block is left, so that the page can be written into it.

    Args:
        plan: what is probed, and how.
        metrics: by name.
        out: folder of the results.
        device: where the metrics are.
        track: wraps the images to show progress.

    Yields:
        The summary, a row an image and metric, and the folder to write the page to: it gets its place with the others.

    Raises:
        UsageError: what is wrong with the call, before any work is done for it.
        ImageError: nothing at all could be probed; scores.csv has the reasons.
    """
    subjects, unpaired = find_subjects(plan)
    check_metrics(metrics, plan, subjects, device)
    with held(out, "probe", options_of(plan, metrics)):
        probed = [one for subject in track(subjects) for one in probe_subject(subject, metrics, plan, out, device)]
        rows = [one.row for one in probed]
        with taking_their_place(out) as place:
            write_rows(place / "scores.csv", rows)
            if all(row["reason"] for row in rows):
                raise ImageError(
                    f"nothing could be probed; the first reason: {rows[0]['reason']}; all are in {out / 'scores.csv'}"
                )
            document = describe(plan, metrics, probed, unpaired)
            write_json(place / "summary.json", document)
            yield document, rows, place


def probe_subject(
    subject: Subject, metrics: Mapping[str, Metric], plan: Plan, out: Path, device: str
) -> Iterator[Probed]:
    """Probe every metric on one image, and save the pictures."""
    image = subject.files[RESTORED].name
    try:
        images = read_subject(subject, plan, device)
        found = probe(metrics, images, plan.attack)
    except ImageError as error:
        reason = without_folders(str(error), subject)
        yield from (Probed({"image": image, "metric": name, "reason": reason}) for name in metrics)
        return
    said = judged(metrics, images, found)
    name_of_pictures = shortened(subject.name)
    original = save(images.restored, out, f"pictures/original/{name_of_pictures}.png") if said else ""
    for name, gamed in found.items():
        if isinstance(gamed, str):
            yield Probed({"image": image, "metric": name, "reason": gamed})
            continue
        finding = gamed.finding
        row = {
            "image": image,
            "metric": name,
            "start": finding.start,
            "gamed": finding.end,
            "natural_range": finding.range,
            "gain": finding.gain,
            "gradient_l1": finding.gradient_l1,
            "picture": save(gamed.picture, out, f"pictures/{folder_of(name)}/{name_of_pictures}.png"),
            "original": original,
            "reason": "",
        }
        yield Probed(row, finding, said[name])


def shortened(name: str) -> str:
    """A name that leaves room in a file's for what it is called while it is written; a long one ends in a digest."""
    data = name.encode("utf-8", "surrogateescape")
    if len(data) <= MOST_BYTES:
        return name
    return f"{data[: MOST_BYTES - 9].decode('utf-8', 'ignore')}-{hashlib.sha256(data).hexdigest()[:8]}"


def folder_of(metric: str) -> str:
    """A folder's name for a metric, whose own may hold the path of its weights."""
    return re.sub(r"[^\w .()=+-]", "_", metric)


def without_folders(reason: str, subject: Subject) -> str:
    """Call files by their role and name: results hold no path of the machine."""
    for role, path in subject.files.items():
        reason = reason.replace(str(path), f"{role} {path.name}")
    return reason


def save(image: torch.Tensor, out: Path, name: str) -> str:
    """Write a picture as 8 bits, lossless; its name below the folder of the results."""
    rgb = (image[0].permute(1, 2, 0) * 255).round().byte().cpu().numpy()
    with whole(out / name) as unfinished:
        Image.fromarray(rgb).save(unfinished, format="png")
    return name


def describe(
    plan: Plan, metrics: Mapping[str, Metric], probed: Sequence[Probed], unpaired: Sequence[Unpaired]
) -> dict[str, Any]:
    """The summary, as JSON holds it."""
    findings: dict[str, list[Finding]] = {name: [] for name in metrics}
    others: dict[str, list[dict[str, float]]] = {name: [] for name in metrics}
    failures = []
    for row, finding, judgements in probed:
        image, name = row["image"], row["metric"]
        if finding is None:
            failures.append({"image": image, "metric": name, "reason": row["reason"]})
            continue
        findings[name].append(finding)
        others[name].append({judge: said for judge, said in judgements.items() if not isinstance(said, str)})
        failures += [
            {"image": image, "metric": judge, "reason": f"on the picture gamed for {name}: {said}"}
            for judge, said in judgements.items()
            if isinstance(said, str)
        ]
    said = summarise(metrics, {name: own for name, own in findings.items() if own}, others, plan.attack)
    taken = {
        name: frozenset(row["image"] for row, found, _ in probed if found and row["metric"] == name) for name in said
    }
    count = len(frozenset().union(*taken.values()))
    return {
        "attack": asdict(plan.attack),
        "images": count,
        "side_px": plan.side_px,
        "degraded": "each restored image, reduced four times" if plan.degraded is None else "given",
        "reference": "none" if plan.reference is None else "given",
        "ladder_of": "restored" if plan.reference is None else "reference",
        "metrics": said,
        "notes": notes_on(plan, metrics, said, taken, unpaired),
        "failures": failures,
        "unpaired": [{"folder": one.folder, "file": one.file, "reason": one.reason} for one in unpaired],
    }


def notes_on(
    plan: Plan,
    metrics: Mapping[str, Metric],
    said: Mapping[str, Mapping[str, Any]],
    taken: Mapping[str, frozenset[str]],
    unpaired: Sequence[Unpaired],
) -> list[str]:
    """What a reader must know before trusting the numbers."""
    images = len(frozenset().union(*taken.values()))
    notes = [f"{name}: random weights, whose gains mean nothing" for name in said if said[name]["origin"] == RANDOM]
    notes += [f"{name} could not be probed on any image" for name in metrics if name not in said]
    if images < ENOUGH_TO_PROBE:
        notes.append(
            f"{images} image{'s are' if images > 1 else ' is'} few: gains vary from picture to picture; take "
            f"{ENOUGH_TO_PROBE} or more before metrics are compared"
        )
    if plan.degraded is None and any(metric.needs == DEGRADED for metric in metrics.values()):
        notes.append(
            "no degraded inputs were given: each restored image, reduced four times (bicubic), stands in for its own"
        )
    if plan.reference is None:
        notes.append(
            "no clean images were given: natural ranges are of the restored images, spoiled further; those of clean "
            "images differ, so compare these gains with no probe that had --reference"
        )
    if len(set(taken.values())) > 1:
        notes.append("metrics were probed on different images, since some failed: compare them with care")
    if unpaired:
        counted = "1 file or partner is" if len(unpaired) == 1 else f"{len(unpaired)} files or partners are"
        notes.append(f"{counted} unpaired; an image without all of its partners is left out")
    return notes + [note.removesuffix(".") for note in formula_note(frozenset().union(*taken.values()))]


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one row an image and metric, failures with their reason."""
    write_table(path, COLUMNS, ([row.get(column, "") for column in COLUMNS] for row in rows))
