"""Tell a machine that ran out of memory from everything else that may go wrong."""

from __future__ import annotations

import torch


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that an allocation failed: on an accelerator, in torch on a CPU, or in Python and NumPy.

    Args:
        error: that was caught. A CPU's allocator raises no type of its own, so its words are looked at.
    """
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)
