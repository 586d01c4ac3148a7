"""Which samples a process sees depends on the seed and the iteration alone."""

import random

import torch

from ir_quality_plugin.engine.loading import Replayable, Share, training_loader
from ir_quality_plugin.engine.seeds import seeded


def share(process=0, processes=1, first=1, last=12, batch=4, accumulate=1):
    return Share(10, batch, accumulate, 7, process, processes, first, last)


class Dice:
    """A dataset whose samples are random."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return {"index": index, "die": random.random(), "tensor": torch.rand(2)}


def test_every_epoch_holds_every_sample_once():
    indices = [index for batch in share(last=25) for index, _ in batch]
    assert len(indices) == 100
    for epoch in range(10):
        assert sorted(indices[epoch * 10 : epoch * 10 + 10]) == list(range(10))
    assert indices[:10] != indices[10:20]


def test_processes_share_the_batches_of_one():
    alone = list(share(batch=4))
    together = zip(share(0, 2, batch=2), share(1, 2, batch=2), strict=True)
    assert alone == [first + second for first, second in together]


def test_accumulated_batches_are_those_of_larger_ones():
    small = list(share(batch=2, accumulate=2))
    assert list(share(batch=4)) == [small[i] + small[i + 1] for i in range(0, len(small), 2)]


def test_a_resumed_run_sees_the_rest():
    assert list(share())[5:] == list(share(first=6))
    assert len(share(first=6)) == 7
    assert list(share(first=13)) == []


def test_samples_are_the_same_for_any_number_of_workers_and_any_start():
    def samples(workers, first):
        loader = training_loader(Dice(), {"num_worker_per_gpu": workers}, share(first=first), torch.device("cpu"))
        return [(batch["index"].tolist(), batch["die"].tolist(), batch["tensor"].tolist()) for batch in loader]

    alone = samples(0, 1)
    assert samples(2, 1) == alone
    assert samples(0, 6) == alone[5:]


def test_a_sample_that_comes_again_is_augmented_anew():
    dataset = Replayable(Dice(), 7)
    assert dataset[3, 0]["die"] == dataset[3, 0]["die"] != dataset[3, 10]["die"]


def test_drawing_inside_of_a_block_leaves_no_trace():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    with seeded(5):
        torch.rand(100), random.random()
    assert torch.equal(torch.rand(3), expected)
