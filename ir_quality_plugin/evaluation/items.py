"""Every restored file of a run, in order; each is put together when it is its turn: a million take no memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from ..data.folders import DEGRADED, REFERENCE, RESTORED, Pairing
from ..data.results_folder import place
from .judging import Item


class Items:
    """Restored files, image by image, methods in their order.

    Args:
        pairing: which files belong together.
        chosen: (N,M), of N images and M methods, whether a file belongs to these; None for all that are there.
    """

    def __init__(self, pairing: Pairing, chosen: np.ndarray | None = None) -> None:
        self.pairing = pairing
        if chosen is None:
            columns = [[image in pairing.files[method] for image in pairing.images] for method in pairing.methods]
            chosen = np.array(columns, dtype=bool).T.reshape(len(pairing.images), len(pairing.methods))
        self.chosen = chosen

    def __len__(self) -> int:
        return int(self.chosen.sum())

    def __iter__(self) -> Iterator[Item]:
        for row, column in np.argwhere(self.chosen):
            yield self.at(row, column)

    def at(self, row: int, column: int) -> Item:
        """The file of one image by one method."""
        image, method = self.pairing.images[row], self.pairing.methods[column]
        roles = [role for role in (DEGRADED, REFERENCE) if image in self.pairing.files.get(role, {})]
        files = {role: self.pairing.files[role][image] for role in roles}
        return Item(image, method, {RESTORED: self.pairing.files[method][image], **files}, self._places[method])

    def where(self, image: str, method: str) -> tuple[int, int] | None:
        """Row and column of an image and a method; None where they are not among these."""
        row, column = self._rows.get(image), self._columns.get(method)
        return None if row is None or column is None or not self.chosen[row, column] else (row, column)

    def share(self, process: int, processes: int) -> Items:
        """Those of one process: whole images, so that what their methods share is read once."""
        turn = np.cumsum(self.chosen.any(axis=1)) - 1
        return Items(self.pairing, self.chosen & (turn % processes == process)[:, None])

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {image: row for row, image in enumerate(self.pairing.images)}

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {method: column for column, method in enumerate(self.pairing.methods)}

    @cached_property
    def _places(self) -> dict[str, dict[str, str]]:
        """By method and role, what tells a folder from others."""
        files = self.pairing.files
        places = {folder: place(next(iter(own.values())).parent) for folder, own in files.items() if own}
        return {method: {**places, RESTORED: places[method]} for method in self.pairing.methods if method in places}
