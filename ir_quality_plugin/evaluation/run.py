"""Evaluate folders of restored images: rows are logged one by one, and put together once all are there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from ..data.folders import DEGRADED, REFERENCE, Pairing
from ..data.score_table import ScoreTable
from ..errors import QualityPluginError, UsageError
from ..integrations.metric import Metric, build_metrics
from ..version import __version__
from .judging import RESTORED, Item, judge
from .reading import read_ahead
from .row_log import RowLog, stamp
from .thumbnails import thumbnail

# Of waiting for the others: one process may have many large images left.
PATIENCE = timedelta(days=7)
OUTPUTS = ("scores.csv", "summary.json", "report.html")
ROWS = "rows"


@dataclass(frozen=True)
class Plan:
    """What is to be evaluated.

    Attributes:
        pairing: which files belong together.
        scorers: names of the catalogue, or NAME=FILE.
        pyiqa: names of pyiqa's metrics.
        scale: factor that every restored image must have; None for any whole one.
        tile_px: above tile_px**2 pixels an image is scored by tiles; 0 for never.
    """

    pairing: Pairing
    scorers: tuple[str, ...]
    pyiqa: tuple[str, ...]
    scale: int | None = None
    tile_px: int = 2048


@dataclass(frozen=True)
class Evaluated:
    """What a run has found, on the first process.

    Attributes:
        table: all scores and failures.
        metrics: the metrics, in order.
        factors: number of files by the factor of their degraded input; 0 where it is no whole number.
        tiled: number of files that were scored by tiles.
        thumbnails: by image, as the source of an <img>.
        scored_now: number of files that this session scored; the others stood in the log.
        seconds: of this session's scoring.
    """

    table: ScoreTable
    metrics: list[Metric]
    factors: dict[int, int] = field(default_factory=dict)
    tiled: int = 0
    thumbnails: dict[str, str] = field(default_factory=dict)
    scored_now: int = 0
    seconds: float = 0.0


def evaluate(
    plan: Plan,
    out: Path,
    *,
    device: str = "auto",
    workers: int = 2,
    restart: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Evaluated | None:
    """Score every restored file once, on one process or many, going on where an earlier run was stopped.

    Args:
        plan: what is to be evaluated.
        out: folder of the results; the log lies in `rows` below it.
        device: "auto" for this process's accelerator or the CPU; else its name.
        workers: threads that read images ahead, a process.
        restart: throw an earlier run's log away.
        say: how lines reach the user; called on the first process alone.

    Returns:
        The scores on the first process; None on the others.

    Raises:
        UsageError: an earlier run of other options, or a folder of other things.
        CheckpointError: weights that are missing, or a folder that cannot be written.
    """
    from accelerate import PartialState

    on_cpu = device.startswith("cpu") or not torch.accelerator.is_available()
    state = PartialState(cpu=on_cpu, timeout=PATIENCE)
    place = state.device if device == "auto" else torch.device(device)
    metrics = list(build_metrics(plan.scorers, plan.pyiqa, place).values())
    log = RowLog(out / ROWS, options_of(plan, metrics))
    if state.is_main_process:
        refuse_strangers(out, log)
        log.prepare(restart)
        sweep(out)
    state.wait_for_everyone()
    items = items_of(plan.pairing)
    left, number = unscored(items, log), log.next_session()
    state.wait_for_everyone()
    if state.is_main_process and len(left) < len(items):
        say(f"{len(items) - len(left)} of {len(items)} files are scored already, in {log.folder}")
    began = time.perf_counter()
    Session(plan, metrics, log, number, workers, place, state.process_index, state.num_processes).score(left)
    state.wait_for_everyone()
    if not state.is_main_process:
        return None
    return collect(items, plan, metrics, log, len(left), time.perf_counter() - began)


def options_of(plan: Plan, metrics: Sequence[Metric]) -> dict[str, Any]:
    """What a logged row depends on, beside its files: methods can be added to a run, metrics cannot."""
    return {
        "version": __version__,
        "metrics": {metric.name: metric.about for metric in metrics},
        "scale": plan.scale,
        "tile_px": plan.tile_px,
    }


def refuse_strangers(out: Path, log: RowLog) -> None:
    """Keep from writing over results that are not of an earlier run.

    Raises:
        UsageError: such a file is there.
    """
    strange = [name for name in OUTPUTS if (out / name).exists()]
    if strange and not log.header.is_file():
        raise UsageError(f"--out {out}: it holds a {strange[0]} of something else; expected a new folder")


def sweep(out: Path) -> None:
    """Remove what a kill left of a file that was being written."""
    for name in OUTPUTS:
        for path in out.glob(f".{name}.*.unfinished"):
            path.unlink(missing_ok=True)


def items_of(pairing: Pairing) -> list[Item]:
    """Every restored file, image by image, methods in their order."""
    guides = [role for role in (DEGRADED, REFERENCE) if role in pairing.files]
    items = []
    for image in pairing.images:
        partners = {role: pairing.files[role][image] for role in guides if image in pairing.files[role]}
        for method in pairing.methods:
            if image in pairing.files[method]:
                items.append(Item(image, method, {RESTORED: pairing.files[method][image], **partners}))
    return items


def unscored(items: Sequence[Item], log: RowLog) -> list[Item]:
    """The items without a row of their present files; those that failed are tried again."""
    by_place = {(item.image, item.method): item for item in items}
    for row in log.read():
        item = by_place.get((row["image"], row["method"]))
        if item is not None and not row["failures"] and row["files"] == stamp(item):
            del by_place[item.image, item.method]
    return list(by_place.values())


def share_of(items: Sequence[Item], process: int, processes: int) -> list[Item]:
    """The items of one process: whole images, so that what their methods share is read once."""
    images = {image: index for index, image in enumerate(dict.fromkeys(item.image for item in items))}
    return [item for item in items if images[item.image] % processes == process]


@dataclass(frozen=True)
class Session:
    """One process's part of one call.

    Attributes:
        plan: what is to be evaluated.
        metrics: the metrics.
        log: where rows go.
        number: of this call; its rows have files of their own.
        workers: threads that read images ahead.
        device: where the metrics are.
        process: index of this process.
        processes: how many there are.
    """

    plan: Plan
    metrics: list[Metric]
    log: RowLog
    number: int
    workers: int
    device: torch.device
    process: int
    processes: int

    def score(self, left: Sequence[Item]) -> None:
        """Score this process's share of what is left, a row at a time."""
        mine = share_of(left, self.process, self.processes)
        if not mine:
            return
        pictured: set[str] = set()
        with self.log.writer(self.number, self.process) as rows, torch.inference_mode():
            for item, read in self.track(read_ahead(mine, self.roles, self.workers), len(mine), len(left)):
                judgement = judge(item, read, self.metrics, self.plan.scale, self.plan.tile_px, self.device)
                restored = read[RESTORED]
                picture = "" if item.image in pictured or isinstance(restored, Exception) else thumbnail(restored)
                pictured |= {item.image} if picture else set()
                rows.add(
                    {
                        "image": item.image,
                        "method": item.method,
                        "scores": judgement.scores,
                        "failures": judgement.failures,
                        "factor": judgement.factor,
                        "tiles": judgement.tiles,
                        "files": stamp(item),
                        "thumbnail": picture,
                    }
                )

    @property
    def roles(self) -> list[str]:
        """Which files of an item must be read."""
        needed = {metric.needs for metric in self.metrics if metric.needs}
        if self.plan.scale and DEGRADED in self.plan.pairing.files:
            needed.add(DEGRADED)
        return [RESTORED, *sorted(needed)]

    def track(self, pairs: Iterator[Any], mine: int, left: int) -> Iterator[Any]:
        """Show rate and time left on the first process's terminal, for all processes together."""
        hidden = None if self.process == 0 else True  # None: shown where there is a terminal
        with tqdm(total=left, unit="file", desc="scoring", disable=hidden) as bar:
            for done, pair in enumerate(pairs, start=1):
                yield pair
                bar.update(min(self.processes, left - bar.n) if done < mine else left - bar.n)


def collect(
    items: Sequence[Item], plan: Plan, metrics: list[Metric], log: RowLog, scored_now: int, seconds: float
) -> Evaluated:
    """Put the rows of the present items together, the newest of each.

    Raises:
        QualityPluginError: an item has no row: another process died, or the log was changed meanwhile.
    """
    pairing, names = plan.pairing, tuple(metric.name for metric in metrics)
    table = ScoreTable.empty(pairing.images, pairing.methods, names)
    rows = {image: row for row, image in enumerate(table.images)}
    columns = {method: column for column, method in enumerate(table.methods)}
    wanted = {(item.image, item.method): stamp(item) for item in items}
    factors: dict[tuple[str, str], tuple[int, int]] = {}
    thumbnails: dict[str, str] = {}
    for row in log.read():
        place = row["image"], row["method"]
        if row["files"] != wanted.get(place):
            continue
        at = rows[place[0]], columns[place[1]]
        table.present[at] = True
        table.scores[(slice(None), *at)] = [row["scores"].get(name, np.nan) for name in names]
        for name in names:
            table.reasons.pop((name, *place), None)
        table.reasons.update({(name, *place): reason for name, reason in row["failures"].items()})
        factors[place] = row["factor"], row["tiles"]
        if row["thumbnail"]:
            thumbnails.setdefault(place[0], row["thumbnail"])
    if len(factors) < len(items):
        raise QualityPluginError(
            f"{len(items) - len(factors)} of {len(items)} files have no row in {log.folder}, or changed while they "
            "were scored; call it again to go on"
        )
    counts: dict[int, int] = {}
    for factor, _ in factors.values():
        counts[factor] = counts.get(factor, 0) + 1
    tiled = sum(tiles > 1 for _, tiles in factors.values())
    return Evaluated(table, metrics, dict(sorted(counts.items())), tiled, thumbnails, scored_now, seconds)
