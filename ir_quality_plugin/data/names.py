"""What image a file is of, by its name: the stem without what the field appends, as far as that tells files apart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

# What networks and data sets append to a stem: baboonx4, baboon_x4, baboon_out, baboon_SR.
WORDS = ("out", "output", "restored", "sr", "hr", "lr", "lq", "gt")
SUFFIX = re.compile(rf"([-_]?x(2|3|4|8|16)|[-_]({'|'.join(WORDS)}))$", re.IGNORECASE)
RULE = "the same stem, or the same without _x4, x4 (2, 3, 4, 8, 16), " + ", ".join(f"_{word}" for word in WORDS)


# The name of a run, or of its set of images, is that of a folder: no path, no hidden one, no way up.
FOLDER = r"^[^/\\.\x00-\x1f][^/\\\x00-\x1f]*$"


def names_of(stem: str, method: str | None = None) -> list[str]:
    """The names that a file may have: its stem without the suffixes of `RULE` and `_METHOD`, and with more and more.

    Args:
        stem: of the file's name.
        method: whose folder it lies in.

    Returns:
        The shortest first, the stem itself last.
    """
    names = [unicodedata.normalize("NFC", stem)]
    own = re.compile(rf"[-_]{re.escape(method)}$", re.IGNORECASE) if method else None
    while True:
        shorter = SUFFIX.sub("", names[0])
        shorter = own.sub("", names[0]) if own and shorter == names[0] else shorter
        if shorter in ("", names[0]):
            return names
        names.insert(0, shorter)


def named(chains: Mapping[str, Mapping[str, list[str]]]) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Give every file the first of its names that is not given up.

    A name is given up, in all folders, where two files of one folder would share it, or where files of one stem would
    be parted by it.

    Args:
        chains: by folder and file name, the names that it may have; the last one it takes in any case.

    Returns:
        Name by folder and file; and, by name that was given up, the reason.
    """
    given_up: dict[str, str] = {}
    while True:
        names = {
            role: {
                file: next((name for name in chain if name not in given_up), chain[-1]) for file, chain in of.items()
            }
            for role, of in chains.items()
        }
        found = {**_shared(names), **_parted(names, chains)}
        if found.keys() <= given_up.keys():
            break
        given_up = {**found, **given_up}
    return names, given_up


def _shared(names: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The names that several files of one folder have."""
    found: dict[str, str] = {}
    for role, of in names.items():
        first: dict[str, str] = {}
        twins: dict[str, list[str]] = {}  # few, where there may be a million files
        for file, name in of.items():
            if first.setdefault(name, file) != file:
                twins.setdefault(name, [first[name]]).append(file)
        found |= {name: f"{' and '.join(files)} of {role} share the name {name}" for name, files in twins.items()}
    return found


def _parted(names: Mapping[str, Mapping[str, str]], chains: Mapping[str, Mapping[str, list[str]]]) -> dict[str, str]:
    """The names that part files of one stem, as `_METHOD` does where another folder has the same file."""
    first: dict[str, str] = {}
    parted: dict[str, set[str]] = {}
    for role, of in names.items():
        for file, name in of.items():
            stem = chains[role][file][-1]
            if first.setdefault(stem, name) != name:
                parted.setdefault(stem, {first[stem]}).add(name)
    return {
        name: f"{stem} is the name of files in several folders"
        for stem, found in parted.items()
        for name in found - {stem}
    }
