"""The same work over many items, in several processes; results do not depend on how many."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

import torch

from ..errors import QualityPluginError, UsageError

_work: Callable[[Any], Any] | None = None


def spread_work(
    prepare: Callable[..., Callable[[Any], Any]], arguments: Sequence[Any], items: Sequence[Any], workers: int
) -> Iterator[Any]:
    """Do the same work for each item; results come as they are finished.

    Every process computes on one thread, so that a sum is added up in the same order whatever `workers` is. Processes
    end with the one that called, also if that is killed.

    Args:
        prepare: makes the function that is called with each item; called once a process. A function of a module.
        arguments: of `prepare`.
        items: what is worked on; like `arguments` and results, they are pickled where there are several processes.
        workers: number of processes; 1 works in this one.

    Raises:
        UsageError: fewer than one worker.
        QualityPluginError: a process was ended from outside; what came before it is done.
    """
    if workers < 1:
        raise UsageError(f"workers={workers}; expected at least 1")
    if min(workers, len(items)) <= 1:
        with one_thread():
            work = prepare(*arguments)
            yield from map(work, items)
        return
    context = multiprocessing.get_context("spawn")  # a forked torch may hang
    pool = ProcessPoolExecutor(min(workers, len(items)), context, _begin, (prepare, tuple(arguments)))
    try:
        for done in as_completed([pool.submit(_do, item) for item in items]):
            yield done.result()
    except BrokenProcessPool as error:
        raise QualityPluginError(
            "a worker was ended, perhaps for want of memory; try fewer with --workers; what is done is kept"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread inside of the block."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _begin(prepare: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...]) -> None:
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _work = prepare(*arguments)


def _end_with_parent() -> None:
    """A pool's processes wait for work forever if the one that hands it out was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(item: Any) -> Any:
    if _work is None:  # _begin ran before, or the pool is broken
        raise QualityPluginError("this process was not prepared for work; start it through spread_work")
    return _work(item)
