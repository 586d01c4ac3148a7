"""Labels for restored images that no person has judged: the consensus of metrics that see the clean image."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from ..checkpoints.write import appending, whole, why
from ..data.labels import Triplet
from ..data.lock import locked
from ..data.workers import spread_work
from ..errors import CheckpointError, ImageError, UsageError
from ..files import regular
from ..metrics.consensus import check_weights, consensus, family_weights
from .judges import Judges
from .saved_networks import SavedNetwork

COLUMNS = ("image", "reference", "degraded", "mos", "content", "distortion")
Pair = tuple[str, str]
Item = tuple[Triplet, Pair, list[str]]


class Labelled(NamedTuple):
    """What was done: images with a label, metrics with their weights, and why labels are missing, with counts."""

    images: int
    weights: dict[str, float]
    failures: Counter[str]


def label(
    triplets: Sequence[Triplet],
    out: Path,
    metrics: Sequence[str],
    teacher: SavedNetwork | None = None,
    weights: Mapping[str, float] | None = None,
    workers: int = 1,
) -> Labelled:
    """Label restored images by the consensus of metrics, and write the table.

    The label of an image is the share of the table's images that it beats, averaged over metrics: in (0,1), higher is
    better, 1 for the clean image itself. No human opinion is in it: it is as good as the metrics are, it depends on
    what else the table holds, and a figure measured against it says how well a scorer imitates these metrics.

    `out` has the columns image, reference, degraded, mos, content, distortion, and the raw score of each metric, paths
    relative to its folder: `read_labels("csv", out)` reads it. `OUT.json` beside it says what judged. Each raw score is
    appended to `OUT.scores.jsonl` as it is computed, under a digest of the two files' bytes and the metric's identity:
    a run that was killed, or one with further metrics, computes only what is missing. The table does not depend on how
    often that happened, nor on `workers`.

    Args:
        triplets: restored images, each with its clean one.
        out: the table to write, ending in .csv; it appears whole or not at all.
        metrics: names of pyiqa's full-reference metrics that need no download.
        teacher: a restoration teacher whose features judge as well; None for pyiqa's metrics alone.
        weights: by metric; None for equal weights of pixels and features, and within each.
        workers: processes that compute.

    Returns:
        Counts, and why images have no label.

    Raises:
        UsageError: a name that does not end in .csv, or that a table of somebody else's has, a metric or weight that is
            impossible, a wrong teacher, or another run at work on the same table.
        CheckpointError: the teacher's weights, or a folder that cannot be written to.
        ImageError: no image could be judged at all.
    """
    if out.suffix != ".csv":
        raise UsageError(f"--out {out}: expected a name that ends in .csv")
    _check_owner(out)
    judges = Judges(metrics, teacher)
    balance = _balance(judges, weights)
    with locked(out.with_name(f".{out.name}.lock"), f"--out {out}"):
        return _label(triplets, out, judges, (tuple(metrics), teacher), balance, workers)


def _check_owner(out: Path) -> None:
    """Refuse to write over a table, or a document beside it, that is not known as labels of ours: people's, perhaps."""
    card = out.with_suffix(".json")
    there = [path for path in (out, card) if path.exists() or path.is_symlink()]
    try:
        written = json.loads(card.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        written = None
    if there and not (isinstance(written, dict) and written.get("human_opinions") is False):
        raise UsageError(
            f"--out {out}: {there[0].name} is there, and no {card.name} says that irq label made it: it may hold "
            "people's opinions; expected a new name, or a table of irq label with its document; choose another --out"
        )


def _label(
    triplets: Sequence[Triplet],
    out: Path,
    judges: Judges,
    made_from: tuple[tuple[str, ...], SavedNetwork | None],
    balance: dict[str, float],
    workers: int,
) -> Labelled:
    log = ScoreLog(out.with_suffix(".scores.jsonl"))
    pairs, failures = _digests(triplets)
    work = _missing(triplets, pairs, log, judges.identities)
    reasons = _judge_all(work, log, judges.identities, made_from, workers)
    rows = []
    for triplet, pair in zip(triplets, pairs, strict=True):
        if pair is None:
            continue
        if pair in reasons:
            failures[reasons[pair]] += 1
        else:
            found = log.scores[pair]
            rows.append((triplet, {name: found[identity] for name, identity in judges.identities.items()}))
    if not rows:
        raise ImageError(f"none of the {len(triplets)} images could be judged: {next(iter(failures))}")
    columns = {name: [scores[name] for _, scores in rows] for name in balance}
    labels = consensus(columns, judges.higher_is_better, balance)
    with whole(out.with_suffix(".json")) as unfinished:  # first: a table without it is taken for somebody else's
        unfinished.write_text(json.dumps(_card(judges, balance, len(rows), len(triplets)), indent=1) + "\n")
    _write(out, rows, labels.tolist(), list(balance))
    return Labelled(len(rows), balance, failures)


def _balance(judges: Judges, weights: Mapping[str, float] | None) -> dict[str, float]:
    balance = family_weights(judges.families)
    for name in weights or {}:
        if name not in balance:
            raise UsageError(f"a weight is given for {name!r}; expected one of {', '.join(balance)}")
    balance |= weights or {}
    check_weights(balance)
    return balance


def _digests(triplets: Sequence[Triplet]) -> tuple[list[Pair | None], Counter[str]]:
    """A digest of the bytes of each image and its reference; None, and the reason, where a file cannot be read."""

    @cache
    def digest(path: Path) -> str:
        with regular(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]

    pairs: list[Pair | None] = []
    failures: Counter[str] = Counter()
    for triplet in triplets:
        try:
            pairs.append((digest(triplet.image), digest(triplet.reference)))
        except OSError as error:
            failures[f"cannot read {error.filename}: {error.strerror}; check the path"] += 1
            pairs.append(None)
    return pairs, failures


def _card(judges: Judges, balance: Mapping[str, float], images: int, listed: int) -> dict[str, Any]:
    """What the labels are, for whoever finds the table."""
    return {
        "labels": "mean share of the table that an image beats, over metrics that see its clean image; 1 is clean",
        "human_opinions": False,
        "images": images,
        "without_label": listed - images,
        "metrics": {
            name: {
                "identity": judges.identities[name],
                "higher_is_better": judges.higher_is_better[name],
                "family": judges.families[name],
                "weight": weight,
            }
            for name, weight in balance.items()
        },
    }


class ScoreLog:
    """Raw scores as they come: a line of JSON each, which outlives the process that wrote it.

    A line that was torn by a kill is skipped, and computed again; two runs that append at once do no harm.

    Args:
        path: of the file; it is made by the first score.

    Attributes:
        scores: by the digests of a pair, and the identity of a metric.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.scores: dict[Pair, dict[str, float]] = {}
        content = path.read_bytes() if path.is_file() else b""
        for line in content.split(b"\n"):
            try:
                entry = json.loads(line)
                self.scores.setdefault((entry["image"], entry["reference"]), {}).update(entry["scores"])
            except (ValueError, KeyError, TypeError):
                continue
        self._torn = bool(content) and not content.endswith(b"\n")

    def add(self, pair: Pair, scores: Mapping[str, float]) -> None:
        """Append the scores of one pair, by identity."""
        line = json.dumps({"image": pair[0], "reference": pair[1], "scores": dict(scores)}) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with appending(self.path) as file:
                file.write((b"\n" if self._torn else b"") + line.encode())
        except OSError as error:
            raise CheckpointError(
                f"cannot write {self.path} ({why(self.path, error)}); the scores before are kept; check the folder and "
                "the disk, and call it again to go on"
            ) from error
        self._torn = False
        self.scores.setdefault(pair, {}).update(scores)


def _missing(
    triplets: Sequence[Triplet], pairs: Sequence[Pair | None], log: ScoreLog, identities: Mapping[str, str]
) -> list[Item]:
    """What is to be computed: each pair once, with the metrics that the log has no score of."""
    work: dict[Pair, Item] = {}
    for triplet, pair in zip(triplets, pairs, strict=True):
        if pair is not None and pair not in work:
            names = [name for name, identity in identities.items() if identity not in log.scores.get(pair, {})]
            if names:
                work[pair] = (triplet, pair, names)
    return list(work.values())


def _judge_all(
    work: list[Item],
    log: ScoreLog,
    identities: Mapping[str, str],
    judges: tuple[tuple[str, ...], SavedNetwork | None],
    workers: int,
) -> dict[Pair, str]:
    """Compute what is missing and log it; gives the reasons of those that could not be judged."""
    reasons = {}
    done = spread_work(_prepare, judges, work, workers) if work else iter(())
    for pair, scores, reason in tqdm(done, total=len(work), desc="judging", disable=None):
        if reason:
            reasons[pair] = reason
        else:
            log.add(pair, {identities[name]: score for name, score in scores.items()})
    return reasons


def _prepare(metrics: tuple[str, ...], teacher: SavedNetwork | None) -> Any:
    judges = Judges(metrics, teacher)

    def judge(item: Item) -> tuple[Pair, dict[str, float], str]:
        triplet, pair, names = item
        try:
            return pair, judges(triplet.image, triplet.reference, names), ""
        except ImageError as error:
            return pair, {}, str(error)

    return judge


def _write(out: Path, rows: list[tuple[Triplet, dict[str, float]]], labels: list[float], metrics: list[str]) -> None:
    home = out.absolute().parent

    def place(path: Path | None) -> str:
        return "" if path is None else Path(os.path.relpath(path.absolute(), home)).as_posix()

    with whole(out) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*COLUMNS, *metrics])
        for (triplet, scores), mos in zip(rows, labels, strict=True):
            files = [place(path) for path in (triplet.image, triplet.reference, triplet.degraded)]
            named = [triplet.content, triplet.distortion or ""]
            table.writerow([*files, f"{mos:.6f}", *named, *(repr(scores[name]) for name in metrics)])
