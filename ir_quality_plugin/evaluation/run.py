"""Evaluate folders of restored images: rows are logged one by one, and put together once all are there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.folders import DEGRADED, RESTORED, Pairing
from ..data.results_folder import forget, held
from ..data.score_table import ScoreTable
from ..data.thumbnails import LISTED_IMAGES
from ..errors import QualityPluginError
from ..integrations.metric import Metric, build_metrics
from ..nn.processes import wait_for_everyone
from ..version import __version__
from .items import Items
from .judging import judge
from .progress import followed
from .reading import read_ahead
from .row_log import RowLog, stamp

# Of waiting for the others: one process may have many large images left.
PATIENCE = timedelta(days=7)
ROWS, COMMAND = "rows", "evaluate"


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
        thumbnails: by image, as the source of an <img>; of the images that the page lists.
        scored_now: number of files that this session scored, without those that failed; the others stood in the log.
        seconds: of this session's scoring.
        unchecked: number of files whose scale was asked for and could not be checked.
        grey: (image, method) of the files without colour whose degraded or clean image has colour.
        began: the day on which the run's log was begun.
    """

    table: ScoreTable
    metrics: list[Metric]
    factors: dict[int, int] = field(default_factory=dict)
    tiled: int = 0
    thumbnails: dict[str, str] = field(default_factory=dict)
    scored_now: int = 0
    seconds: float = 0.0
    unchecked: int = 0
    grey: tuple[tuple[str, str], ...] = ()
    began: str = ""


def _silent(line: str) -> None:
    """Say nothing."""


@contextmanager
def evaluate(
    plan: Plan,
    out: Path,
    *,
    device: str = "auto",
    workers: int = 2,
    restart: bool = False,
    say: Callable[[str], None] = _silent,
) -> Iterator[Evaluated | None]:
    """Score every restored file once, on one process or many, going on where an earlier run was stopped.

    The folder is held until the block is left, so that the results can be written into it.

    Args:
        plan: what is to be evaluated.
        out: folder of the results; the log lies in `rows` below it.
        device: "auto" for this process's accelerator or the CPU; else its name.
        workers: threads that read images ahead, a process.
        restart: throw an earlier run's log away.
        say: how lines reach the user; called on the first process alone.

    Yields:
        The scores on the first process; None on the others.

    Raises:
        UsageError: an earlier run of other options, another run at work, or a folder of other things.
        CheckpointError: weights that are missing, or a folder that cannot be written.
    """
    from accelerate import PartialState

    on_cpu = device.startswith("cpu") or not torch.accelerator.is_available()
    state = PartialState(cpu=on_cpu, timeout=PATIENCE)
    place = state.device if device == "auto" else torch.device(device)
    metrics = list(build_metrics(plan.scorers, plan.pyiqa, place).values())
    log = RowLog(out / ROWS, options_of(plan, metrics))
    with held(out, COMMAND, known=log.is_sound, say=say) if state.is_main_process else nullcontext():
        if state.is_main_process:
            if restart:
                forget(out)
            log.prepare(restart)
        wait_for_everyone(state)
        items, roles = Items(plan.pairing), roles_of(plan, metrics)
        left, number = unscored(items, roles, log), log.next_session()
        wait_for_everyone(state)
        if not state.is_main_process:
            say = _silent
        if len(left) < len(items):
            say(f"{len(items) - len(left)} of {len(items)} files are scored already, in {log.folder}")
        began = time.perf_counter()
        session = Session(plan, metrics, roles, log, number, workers, place, state.process_index, state.num_processes)
        session.score(left, say)
        wait_for_everyone(state)
        seconds = time.perf_counter() - began
        yield collect(items, plan, metrics, roles, log, left, seconds) if state.is_main_process else None


def options_of(plan: Plan, metrics: Sequence[Metric]) -> dict[str, Any]:
    """What a logged row depends on, beside its files: methods can be added to a run, metrics cannot."""
    return {
        "version": __version__,
        "metrics": {metric.name: metric.about for metric in metrics},
        "scale": plan.scale,
        "tile_px": plan.tile_px,
    }


def roles_of(plan: Plan, metrics: Sequence[Metric]) -> list[str]:
    """Which files of an item must be read."""
    needed = {metric.needs for metric in metrics if metric.needs}
    if plan.scale and DEGRADED in plan.pairing.files:
        needed.add(DEGRADED)
    return [RESTORED, *sorted(needed)]


def unscored(items: Items, roles: Sequence[str], log: RowLog) -> Items:
    """The items without a row of their present files; those that failed are tried again, a missing partner is none."""
    left = items.chosen.copy()
    for row in log.read():
        place = items.where(row["image"], row["method"])
        if place and left[place] and not row["failures"] and row["files"] == stamp(items.at(*place), roles):
            left[place] = False
    return Items(items.pairing, left)


@dataclass(frozen=True)
class Session:
    """One process's part of one call.

    Attributes:
        plan: what is to be evaluated.
        metrics: the metrics.
        roles: which files of an item are read.
        log: where rows go.
        number: of this call; its rows have files of their own.
        workers: threads that read images ahead.
        device: where the metrics are.
        process: index of this process.
        processes: how many there are.
    """

    plan: Plan
    metrics: list[Metric]
    roles: list[str]
    log: RowLog
    number: int
    workers: int
    device: torch.device
    process: int
    processes: int

    def score(self, left: Items, say: Callable[[str], None]) -> None:
        """Score this process's share of what is left, a row at a time; `say` hears how far it is."""
        mine = left.share(self.process, self.processes)
        if not len(mine):
            return
        listed = set(self.plan.pairing.images[:LISTED_IMAGES])
        work = read_ahead(mine, self.roles, self.workers, listed)
        if self.process == 0:
            work = followed(work, len(mine), say, len(left), self.processes)
        with self.log.writer(self.number, self.process) as rows, torch.inference_mode():
            for item, read, files, picture in work:
                judgement = judge(item, read, self.metrics, self.plan.scale, self.plan.tile_px, self.device)
                rows.add(
                    {
                        "image": item.image,
                        "method": item.method,
                        "scores": judgement.scores,
                        "failures": judgement.failures,
                        "missing": judgement.missing,
                        "factor": judgement.factor,
                        "unchecked": judgement.unchecked,
                        "grey": judgement.grey,
                        "tiles": judgement.tiles,
                        "files": files,
                        "thumbnail": picture,
                    }
                )


def collect(
    items: Items,
    plan: Plan,
    metrics: list[Metric],
    roles: Sequence[str],
    log: RowLog,
    left: Items,
    seconds: float,
) -> Evaluated:
    """Put the rows of the present items together, the newest of each.

    Raises:
        QualityPluginError: an item has no row: another process died, or the log was changed meanwhile.
    """
    pairing, names = plan.pairing, tuple(metric.name for metric in metrics)
    table = ScoreTable.empty(pairing.images, pairing.methods, names)
    noted = {name: np.zeros(items.chosen.shape, dtype=np.int32) for name in ("factor", "tiles", "unchecked", "grey")}
    listed, pictures = set(pairing.images[:LISTED_IMAGES]), dict[str, tuple[int, str]]()
    for row in log.read():
        place, at = (row["image"], row["method"]), items.where(row["image"], row["method"])
        if at is None or row["files"] != stamp(items.at(*at), roles):
            continue
        table.present[at] = True
        table.scores[(slice(None), *at)] = [row["scores"].get(name, np.nan) for name in names]
        for reasons, own in ((table.reasons, row["failures"]), (table.missing, row["missing"])):
            for name in names:
                reasons.pop((name, *place), None)
            reasons.update({(name, *place): reason for name, reason in own.items()})
        for name, values in noted.items():
            values[at] = row[name]
        # The first method's, in whatever order they were scored.
        if row["thumbnail"] and place[0] in listed and at[1] <= pictures.get(place[0], at[1:])[0]:
            pictures[place[0]] = at[1], row["thumbnail"]
    lost = len(items) - int(table.present.sum())
    if lost:
        raise QualityPluginError(
            f"{lost} of {len(items)} files have no row in {log.folder}, or changed while they were scored; call it "
            "again to go on"
        )
    failed = set(table.failed_files())
    factors, counts = np.unique(noted["factor"][table.present], return_counts=True)
    return Evaluated(
        table,
        metrics,
        dict(zip(factors.tolist(), counts.tolist(), strict=True)),
        int((noted["tiles"] > 1).sum()),
        {image: picture for image, (_, picture) in pictures.items()},
        len(left) - sum(bool(left.where(*place)) for place in failed),
        seconds,
        int(noted["unchecked"].sum()),
        tuple((pairing.images[row], pairing.methods[column]) for row, column in np.argwhere(noted["grey"])),
        log.began(),
    )
