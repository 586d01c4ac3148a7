"""Which samples a process sees at which iteration: fixed by the seed, whatever happened before.

The samples stand in one endless order, a permutation an epoch. Iteration by iteration, batch by batch, process by
process takes its share of it. A resumed run, and one of as many samples an iteration on another number of processes,
sees the same samples with the same crops and flips.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from .seeds import mix, seeded


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
        """Load the sample `index` for the `position` in the run."""
        index, position = place
        with seeded(mix(self.seed, "sample", position)):
            return self.dataset[index]


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
    workers = int(options.get("num_worker_per_gpu") or 0)
    return DataLoader(
        Replayable(dataset, share.seed), batch_sampler=share, num_workers=workers, pin_memory=device.type == "cuda"
    )
