"""A disk that takes no more, as any machine has it: files may not grow beyond a size; and what reaches a disk when."""

import os
import resource
from contextlib import contextmanager
from pathlib import Path


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


def followed_to_the_disk(monkeypatch):
    """What is brought to the disk, and what gets its name, in order; and the errors of folders, to be filled in."""
    events, refused, sync = [], [], os.fsync

    def synced(descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        events.append(("synced", path))
        if refused and os.path.isdir(path):
            raise OSError(refused[0], os.strerror(refused[0]))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    for way in ("replace", "rename"):
        follow(monkeypatch, way, events)
    return events, refused


def follow(monkeypatch, way, events):
    """Note each file that gets its name by one of Path's two ways."""
    given = getattr(Path, way)

    def named(self, target):
        events.append(("named", str(self)))
        return given(self, target)

    monkeypatch.setattr(Path, way, named)
