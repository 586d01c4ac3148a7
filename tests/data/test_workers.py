"""Work in several processes: the same results, and an end that is no hang."""

import os
from functools import partial

import pytest
import torch

import ir_quality_plugin as irq
from ir_quality_plugin.data.workers import spread_work


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_is_worked_on_once(workers):
    assert sorted(spread_work(partial, (abs,), [-3, 1, -2], workers)) == [1, 2, 3]


def test_this_process_computes_on_one_thread_and_has_its_threads_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        threads = list(spread_work(partial, (lambda item: torch.get_num_threads(),), [0, 1], 1))
        assert (threads, torch.get_num_threads()) == ([1, 1], 2)
    finally:
        torch.set_num_threads(before)


def test_a_worker_that_is_ended_is_an_error_and_no_hang():
    with pytest.raises(irq.QualityPluginError, match="a worker was ended"):
        list(spread_work(partial, (os._exit,), [1, 1], 2))


def test_no_workers_are_refused():
    with pytest.raises(irq.UsageError, match="workers=0"):
        list(spread_work(partial, (abs,), [1], 0))
