"""Which samples a process sees at which iteration: fixed by the seed, whatever happened before.

The samples stand in one endless order, a permutation an epoch. Iteration by iteration, batch by batch, process by
process takes its share of it. A resumed run, and one of as many samples an iteration on another number of processes,
sees the same samples with the same crops and flips.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from .seeds import mix, seeded
from .stopping import leave_signals_to_parent


class Replayable(Dataset[Any]):
    """A dataset whose random choices depend on the sample's place in the run alone.

    Args:
        dataset: any map-style dataset.
        seed: of the run.
    """

    def __init__(self, dataset: Any, seed: int) -> None:
        self.dataset, self.seed = dataset, seed

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, place: tuple[int, int]) -> Any:
        """Load the sample `index` for the `position` in the run; `Unreadable` where that fails."""
        index, position = place
        try:
            with seeded(mix(self.seed, "sample", position)):
                return self.dataset[index]
        except Exception as error:  # noqa: BLE001  # of anybody's dataset; it is raised on all processes
            return Unreadable(f"{_files_of(self.dataset, index)}: {type(error).__name__}: {_first_line(error)}")


class Unreadable(NamedTuple):
    """What stands for a sample or a batch that cannot be loaded.

    Attributes:
        reason: with the files.
    """

    reason: str


def _files_of(dataset: Any, index: int) -> str:
    """What is known of a sample's files, in BasicSR's datasets and ours; its number elsewhere."""
    for name in ("paths", "rows"):
        entries = getattr(dataset, name, None)
        if isinstance(entries, Sequence) and index < len(entries):
            entry = getattr(entries[index], "image", entries[index])
            return ", ".join(map(str, entry.values())) if isinstance(entry, Mapping) else str(entry)
    return f"sample {index}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def collate(samples: list[Any]) -> Any:
    """Make a batch of samples; `Unreadable` where one is, or where they differ in size."""
    for sample in samples:
        if isinstance(sample, Unreadable):
            return sample
    try:
        return default_collate(samples)
    except (RuntimeError, TypeError, KeyError) as error:
        return Unreadable(f"samples that make no batch: {_first_line(error)}")


def next_batches(batches: Iterator[Any], count: int) -> list[Any] | Unreadable:
    """Load the batches of one iteration; the reason where one of them cannot be loaded."""
    loaded: list[Any] = []
    for batch in itertools.islice(batches, count):
        if isinstance(batch, Unreadable):
            return batch
        loaded.append(batch)
    return loaded


class Share(Sampler[list[tuple[int, int]]]):
    """The batches of one process from an iteration on.

    Args:
        length: samples of the dataset.
        batch: samples a batch and process.
        accumulate: batches an iteration.
        seed: of the run.
        process: index of this process.
        processes: number of processes.
        first: iteration, counted from 1, to begin with.
        last: iteration to end with.
    """

    def __init__(
        self, length: int, batch: int, accumulate: int, seed: int, process: int, processes: int, first: int, last: int
    ) -> None:
        self.length, self.batch, self.accumulate, self.seed = length, batch, accumulate, seed
        self.process, self.processes, self.first, self.last = process, processes, first, last

    def __len__(self) -> int:
        return max(self.last - self.first + 1, 0) * self.accumulate

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, order = -1, torch.empty(0, dtype=torch.long)
        for number in range((self.first - 1) * self.accumulate, self.last * self.accumulate):
            start = (number * self.processes + self.process) * self.batch
            places = []
            for position in range(start, start + self.batch):
                if position // self.length != epoch:
                    epoch = position // self.length
                    draw = torch.Generator().manual_seed(mix(self.seed, "epoch", epoch))
                    order = torch.randperm(self.length, generator=draw)
                places.append((int(order[position % self.length]), position))
            yield places


def training_loader(
    dataset: Any, options: dict[str, Any], share: Share, device: torch.device
) -> DataLoader[dict[str, Any]]:
    """A loader of one process's share; BasicSR's names for workers."""
    return DataLoader(
        Replayable(dataset, share.seed),
        batch_sampler=share,
        num_workers=int(options.get("num_worker_per_gpu") or 0),
        collate_fn=collate,
        pin_memory=device.type == "cuda",
        worker_init_fn=leave_signals_to_parent,
    )
