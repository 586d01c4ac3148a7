"""Read ahead while the metrics compute, within a budget of pixels."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from ..data.folders import RESTORED
from ..data.images import declared_pixels, read_image
from ..data.thumbnails import thumbnail
from ..errors import ImageError
from .judging import Item, Read
from .row_log import Stamp, State, stamp, state_of

Pixels = Tensor | ImageError

# Of images that wait for their turn, at 12 bytes each: 400 MB. One item is read ahead whatever its size.
BUDGET_PIXELS = 33_000_000
# Small images: more ahead than that helps nobody.
ITEMS_A_WORKER = 4


class ReadItem(NamedTuple):
    """What was read of an item.

    Attributes:
        item: the files.
        read: pixels, or the error in their place.
        files: their stamp from before they were read.
        picture: the restored image as a thumbnail; empty where none was asked for, or it could not be read.
    """

    item: Item
    read: Read
    files: Stamp
    picture: str


class _Held(NamedTuple):
    """A file that is read, or was: its pixels and thumbnail, its state before, and how many pixels it declares."""

    sight: Future[tuple[Pixels, str]]
    state: State
    pixels: int


def read_ahead(
    items: Iterable[Item], roles: Sequence[str], workers: int, pictured: Container[str] = ()
) -> Iterator[ReadItem]:
    """Read the files of each item, in order, on threads of their own; a file that items in a row share is read once.

    Args:
        items: in the order in which they are wanted; the methods of an image stand together.
        roles: which of an item's files are wanted.
        workers: number of threads.
        pictured: names of the images whose restored files get a thumbnail, while they are in the reader's cache.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="read") as pool:
        held: dict[Path, _Held] = {}
        waiting: deque[Item] = deque()
        coming = iter(items)
        following = next(coming, None)
        while waiting or following is not None:
            while following is not None and (not waiting or _has_room(held, waiting, workers)):
                for path in _wanted(following, roles):
                    if path not in held:
                        state = state_of(path)  # before it is read: a change meanwhile is seen
                        small = following.image in pictured and path == following.files[RESTORED]
                        held[path] = _Held(pool.submit(_read, path, small), state, declared_pixels(path))
                waiting.append(following)
                following = next(coming, None)
            item = waiting.popleft()
            entries = {role: held[item.files[role]] for role in roles if role in item.files}
            read = {role: entry.sight.result()[0] for role, entry in entries.items()}
            files = stamp(item, roles, {item.files[role]: entry.state for role, entry in entries.items()})
            yield ReadItem(item, read, files, _picture(entries[RESTORED]) if item.image in pictured else "")
            kept = {path for other in waiting for path in _wanted(other, roles)}
            if following is not None:
                kept |= set(_wanted(following, roles))
            held = {path: entry for path, entry in held.items() if path in kept}


def _has_room(held: dict[Path, _Held], waiting: deque[Item], workers: int) -> bool:
    pixels = sum(entry.pixels for entry in held.values())
    return pixels < BUDGET_PIXELS and len(waiting) < workers * ITEMS_A_WORKER


def _wanted(item: Item, roles: Sequence[str]) -> list[Path]:
    return [item.files[role] for role in roles if role in item.files]


def _read(path: Path, small: bool) -> tuple[Pixels, str]:
    try:
        pixels = read_image(path)
    except ImageError as error:
        return error, ""
    return pixels, thumbnail(pixels) if small else ""


def _picture(restored: _Held) -> str:
    """The thumbnail of a restored file, also of one that was first read as another method's degraded input."""
    pixels, picture = restored.sight.result()
    return thumbnail(pixels) if not picture and isinstance(pixels, Tensor) else picture
