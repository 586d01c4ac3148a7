"""Several processes that go on together, or end together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from ..checkpoints.write import why
from ..errors import CheckpointError, QualityPluginError
from ..nn.memory import ran_out_of_memory
from ..nn.processes import lost_a_process

if TYPE_CHECKING:
    from .experiment import Experiment

LOST_WORKER = "DataLoader worker"


@contextmanager
def together(accelerator: Accelerator) -> Iterator[None]:
    """Leave the block on all processes, or raise on all of them what the first one raised inside.

    The block must not wait for other processes.
    """
    failure: Exception | None = None
    try:
        yield
    except Exception as error:  # noqa: BLE001  # whatever it is, the other processes must hear of it
        failure = error
    if accelerator.num_processes > 1:
        own = isinstance(failure, QualityPluginError) or failure is None
        heard = gather_object([failure if own else QualityPluginError(f"{type(failure).__name__}: {failure}")])
        failure = next(filter(None, heard), None)
    if failure is not None:
        raise failure


def greatest(accelerator: Accelerator, *numbers: int) -> tuple[int, ...]:
    """The greatest of each number over all processes; the same on all."""
    if accelerator.num_processes == 1:
        return numbers
    everyone = accelerator.gather(torch.tensor([numbers], device=accelerator.device))
    return tuple(everyone.amax(dim=0).tolist())


@contextmanager
def explained(experiment: Experiment) -> Iterator[None]:
    """Say in words what torch raises where memory, a process that belongs to the run, or a disk gives way."""
    try:
        yield
    except OSError as error:
        place = Path(error.filename) if error.filename else experiment.folder
        raise CheckpointError(f"the run ends: {place}: {why(place, error)}; {_way_out(experiment)}") from error
    except (RuntimeError, QualityPluginError) as error:
        # torch raises the loss of a worker wherever the run is just then, perhaps inside of something that names it.
        own = isinstance(error, QualityPluginError) and LOST_WORKER not in str(error)
        reason = None if own else _reason(error)
        if reason is None:
            raise
        raise QualityPluginError(f"the run ends: {reason}; {_way_out(experiment)}") from error


def _way_out(experiment: Experiment) -> str:
    last = experiment.latest()
    return f"go on from the last state, {last}, with --auto_resume" if last else "there is no state to go on from yet"


def _reason(error: Exception) -> str | None:
    text = str(error).partition("\n")[0]
    if ran_out_of_memory(error):
        return f"the memory is full ({text}); lower batch_size_per_gpu, or gt_size"
    if LOST_WORKER in text:
        return (
            f"a process that loads images was ended from outside ({text.rstrip('. ')}), perhaps for want of memory; "
            "lower num_worker_per_gpu"
        )
    if lost_a_process(error):
        return f"another process of this run has ended, or cannot be reached ({text}); its own message says why"
    return None
