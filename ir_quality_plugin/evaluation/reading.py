"""Read ahead while the metrics compute, within a budget of pixels."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from torch import Tensor

from ..data.images import declared_pixels, read_image
from ..errors import ImageError
from .judging import Item, Read
from .row_log import Stamp, State, stamp, state_of

Pixels = Tensor | ImageError

# Of images that wait for their turn, at 12 bytes each: 400 MB. One item is read ahead whatever its size.
BUDGET_PIXELS = 33_000_000
# Small images: more ahead than that helps nobody.
ITEMS_A_WORKER = 4


def read_ahead(items: Iterable[Item], roles: Sequence[str], workers: int) -> Iterator[tuple[Item, Read, Stamp]]:
    """Read the files of each item, in order, on threads of their own; a file that items in a row share is read once.

    Args:
        items: in the order in which they are wanted; the methods of an image stand together.
        roles: which of an item's files are wanted.
        workers: number of threads.

    Yields:
        An item, what was read of it (pixels, or the error in their place), and its stamp from before it was read.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="read") as pool:
        held: dict[Path, tuple[Future[Pixels], State, int]] = {}
        waiting: deque[Item] = deque()
        coming = iter(items)
        following = next(coming, None)
        while waiting or following is not None:
            while following is not None and (not waiting or _has_room(held, waiting, workers)):
                for path in _wanted(following, roles):
                    if path not in held:
                        state = state_of(path)  # before it is read: a change meanwhile is seen
                        held[path] = pool.submit(_read, path), state, declared_pixels(path)
                waiting.append(following)
                following = next(coming, None)
            item = waiting.popleft()
            entries = {role: held[item.files[role]] for role in roles if role in item.files}
            read = {role: future.result() for role, (future, _, _) in entries.items()}
            yield item, read, stamp(item, roles, {item.files[role]: state for role, (_, state, _) in entries.items()})
            kept = {path for other in waiting for path in _wanted(other, roles)}
            if following is not None:
                kept |= set(_wanted(following, roles))
            held = {path: entry for path, entry in held.items() if path in kept}


def _has_room(held: dict[Path, tuple[Future[Pixels], State, int]], waiting: deque[Item], workers: int) -> bool:
    return sum(pixels for _, _, pixels in held.values()) < BUDGET_PIXELS and len(waiting) < workers * ITEMS_A_WORKER


def _wanted(item: Item, roles: Sequence[str]) -> list[Path]:
    return [item.files[role] for role in roles if role in item.files]


def _read(path: Path) -> Pixels:
    try:
        return read_image(path)
    except ImageError as error:
        return error
