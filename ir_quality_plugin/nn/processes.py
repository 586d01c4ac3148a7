"""Processes that compute together, and one that is gone."""

from __future__ import annotations

from typing import Protocol

import torch

from ..errors import QualityPluginError

# What torch says where a connection to a process breaks.
BROKEN = ("gloo/transport", "Connection closed by peer", "Connection reset by peer", "Broken pipe", "Socket Timeout")


class Processes(Protocol):
    """What Accelerate's states have."""

    def wait_for_everyone(self) -> None:
        """Wait until every process is here."""


def lost_a_process(error: Exception) -> bool:
    """Whether an error says that another process of the run has ended, or cannot be reached."""
    broken = isinstance(error, RuntimeError) and any(words in str(error) for words in BROKEN)
    return broken or isinstance(error, torch.distributed.DistError)


def wait_for_everyone(processes: Processes) -> None:
    """Wait until every process is here.

    Raises:
        QualityPluginError: one has ended.
    """
    try:
        processes.wait_for_everyone()
    except RuntimeError as error:
        if not lost_a_process(error):
            raise
        raise QualityPluginError(
            "another process of this run has ended, its own message says why; what is done is kept; call it again to "
            "go on"
        ) from error
