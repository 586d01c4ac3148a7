"""A disk that takes no more, as any machine has it: files may not grow beyond a size."""

import resource
from contextlib import contextmanager


@contextmanager
def files_up_to(size):
    """No file of this process, and of those that it starts, grows beyond `size` bytes inside of the block."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))  # Python ignores the signal: writing fails with EFBIG
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def left_over(folder):
    """What is half-written below a folder."""
    return [path for path in folder.rglob("*") if "unfinished" in path.name]
