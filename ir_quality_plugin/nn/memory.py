"""Memory that ran out, told from everything else that may go wrong; and memory that is kept for what comes next."""

from __future__ import annotations

import torch

# glibc gives blocks of more than 32 MiB back to the system whatever was freed before.
LARGEST_KEPT = 2**25 - 2**16


def keep_freed_maps() -> None:
    """Have a CPU's allocator keep what a layer freed for the next one, instead of asking for new pages at every call.

    glibc learns from the largest block that was freed, up to 32 MiB: smaller ones are not mapped one by one any more,
    and twice as much stays free before any goes back to the system. A block that nobody writes to takes no memory.
    Whoever has set its limits (`MALLOC_TRIM_THRESHOLD_` and the like) has them left alone; other libraries do nothing.
    """
    torch.empty(LARGEST_KEPT, dtype=torch.uint8, device="cpu")


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that an allocation failed: on an accelerator, in torch on a CPU, or in Python and NumPy.

    Args:
        error: that was caught. A CPU's allocator raises no type of its own, so its words are looked at.
    """
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)
