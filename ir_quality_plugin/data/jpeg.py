"""How many scans a JPEG has: each goes over all of its pixels, and takes next to no bytes where it changes none."""

from __future__ import annotations

import re

# Progressive ones of cameras and programs have about ten.
MOST_SCANS = 100
START_OF_SCAN, END = 0xDA, 0xD9
# In a scan's data a 0xFF stands before 0, before a restart, or before another 0xFF; else it begins the next segment.
NEXT = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# Of these segments nothing follows but the next one.
BARE = frozenset((0x01, *range(0xD0, 0xD9)))


def scans_of(content: bytes) -> int:
    """The number of scans of the first picture of a file, no further than one beyond `MOST_SCANS`.

    Segments are passed over by their lengths, so that a thumbnail in one of them does not count.
    """
    scans, at = 0, 2
    while scans <= MOST_SCANS and (found := NEXT.search(content, at)):
        kind, at = content[found.end() - 1], found.end()
        if kind == END:
            break
        scans += kind == START_OF_SCAN
        if kind not in BARE:
            at += int.from_bytes(content[at : at + 2], "big")
    return scans
