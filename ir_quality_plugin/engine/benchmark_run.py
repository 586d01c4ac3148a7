"""Benchmark metrics on judged images: what fails has its reason, and results are whole or not there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..checkpoints.json_file import write_json
from ..checkpoints.table_file import write_table
from ..data.labels import LabelTable, Row
from ..data.partners import with_folder, without_references, without_repeats
from ..data.readers import read_csv, read_labels
from ..data.results_folder import held, place, taking_their_place
from ..data.votes import Vote
from ..errors import UsageError
from ..integrations.metric import Metric
from ..metrics.resampling import Unit
from ..version import __version__
from .benchmark import Result, Scored, in_common, score_table
from .benchmark_summary import summarise

COLUMNS = ("image", "content", "distortion", "mos", "metric", "score", "reason")


@dataclass(frozen=True)
class Judged:
    """Where the judged images are.

    Attributes:
        labels: CSV of the opinions; None for a public set.
        layout: name of a public set; None for a CSV.
        images: folder of the images, or the folder that the set unpacks to.
        degraded: folder of the degraded inputs; None where the labels name them.
        reference: folder of the clean images, likewise.
        votes: CSV of forced choices; None where there are none.
    """

    labels: Path | None = None
    layout: str | None = None
    images: Path | None = None
    degraded: Path | None = None
    reference: Path | None = None
    votes: Path | None = None

    def looked(self) -> list[Path]:
        """The folders in which the files that the labels name are looked for."""
        places = (self.reference, self.degraded, self.images, self.labels and self.labels.parent)
        return [folder for folder in places if folder]


class Benchmarked(NamedTuple):
    """What a benchmark found.

    Attributes:
        document: the summary, as JSON holds it.
        results: one an image and metric.
        scored: what is compared.
        place: the folder to write the page to: it gets its place with the others.
    """

    document: dict[str, Any]
    results: list[Result]
    scored: Scored
    place: Path


def read_judged(judged: Judged) -> LabelTable:
    """Read the set, give its rows their inputs, and leave out what would be counted twice or without merit.

    Raises:
        UsageError: folders or labels that are not there, or do not belong together.
    """
    table = without_repeats(_read_set(judged.labels, judged.layout, judged.images))
    for role, folder in (("degraded", judged.degraded), ("reference", judged.reference)):
        if folder is not None:
            table = with_folder(table, role, folder)
    return without_references(table)


def _read_set(labels: Path | None, layout: str | None, images: Path | None) -> LabelTable:
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


@contextmanager
def benchmarked_folder(
    judged: Judged,
    table: LabelTable,
    votes: Sequence[Vote],
    metrics: Mapping[str, Metric],
    out: Path,
    unit: Unit = "image",
    resamples: int = 1000,
    seed: int = 0,
    device: str = "cpu",
    track: Callable[[Sequence[Row]], Iterable[Row]] = iter,
) -> Iterator[Benchmarked]:
    """Score judged images; write scores.csv and summary.json.

    The folder of the results is held until the block is left, so that the page can be written into it.

    Args:
        judged: where the images are.
        table: of `read_judged`.
        votes: forced choices, where there are any.
        metrics: by name.
        out: folder of the results.
        unit: of the resampling and of the paired test.
        resamples: how often.
        seed: of the resampling and of the test.
        device: where the metrics are.
        track: wraps the rows to show progress.

    Raises:
        UsageError: the folder holds other results.
        ImageError: too few images were scored by every metric; scores.csv has the reasons.
    """
    places = {role: getattr(judged, role) for role in ("labels", "images", "degraded", "reference", "votes")}
    options = {
        "version": __version__, **{role: path and place(path) for role, path in places.items()}, "set": judged.layout,
        "metrics": {name: metric.about for name, metric in metrics.items()},
        "resample": unit, "resamples": resamples, "seed": seed,
    }  # fmt: skip
    with held(out, "benchmark", options):
        results = score_table(table, metrics, device, track)
        with taking_their_place(out) as folder:
            write_scores(folder / "scores.csv", table, results)
            document = summarise(table, metrics, results, votes, unit, resamples, seed)
            write_json(folder / "summary.json", document)
            yield Benchmarked(document, results, in_common(table, metrics, results), folder)


def write_scores(path: Path, table: LabelTable, results: Sequence[Result]) -> None:
    """Write one row an image and metric, failures with their reason."""
    names = table.names()
    cells = (
        (names[row.image], row.content, row.distortion or "", row.mos, metric, "" if score is None else score, reason)
        for row, metric, score, reason, _ in results
    )
    write_table(path, COLUMNS, cells)
