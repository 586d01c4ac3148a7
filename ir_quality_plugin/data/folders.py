"""Pair the files of several folders by their names: the same stem, up to the suffixes that the field appends."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .images import image_names
from .names import RULE, named, names_of

RESTORED, DEGRADED, REFERENCE = "restored", "degraded", "reference"
PLACE = "{image}"
SHOWN = 3


@dataclass(frozen=True)
class Unpaired:
    """A file without its partners, or a partner that is not there.

    Attributes:
        folder: "degraded", "reference" or the name of a method.
        file: name of the file, or of the image that the folder lacks.
        reason: why it has no pair.
        image: name of the image; of a file that does not fit its pattern, the file's.
        lacking: whether the folder lacks the image.
    """

    folder: str
    file: str
    reason: str
    image: str
    lacking: bool = False


class FolderFiles(Mapping[str, Path]):
    """The files of one folder by image; a path is put together when it is asked for.

    A million paths take a gigabyte, a million names a tenth of it.

    Args:
        folder: where they lie.
        names: of the files, by image.
    """

    def __init__(self, folder: Path, names: Mapping[str, str]) -> None:
        self.folder, self.names = folder, names

    def __getitem__(self, image: str) -> Path:
        return self.folder / self.names[image]

    def __contains__(self, image: object) -> bool:
        return image in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Pairing:
    """Which files belong to one image.

    Attributes:
        images: names of the images that at least one method restored, sorted.
        methods: names of the methods, as given.
        files: path by folder ("degraded", "reference", a method) and image; a folder may lack images.
        unpaired: everything that has no partner somewhere.
    """

    images: tuple[str, ...]
    methods: tuple[str, ...]
    files: Mapping[str, Mapping[str, Path]]
    unpaired: tuple[Unpaired, ...]


def pair_folders(
    restored: Mapping[str, Path],
    degraded: Path | None = None,
    reference: Path | None = None,
    match: Mapping[str, str] | None = None,
) -> Pairing:
    """Pair the images of several methods with each other, with their degraded inputs and their clean references.

    A file is known by its stem without the suffixes of `RULE`, in a method's folder also without `_METHOD`. A name that
    two files of a folder would share, or that would part two files of one stem, is given up in all folders: its files
    keep the next suffix. What a file is known by is the image's name, so that no folder that is added renames it unless
    it has such files. Sorted position never matters.

    Args:
        restored: folder of each method, by the method's name.
        degraded: folder of the degraded inputs.
        reference: folder of the clean images.
        match: by folder ("degraded", "reference", a method's name, or "" for all), a pattern of the stem such as
            "{image}_x4_*" that takes the rule's place; `*` stands for anything. A file that it does not fit is
            unpaired.

    Returns:
        A `Pairing`.

    Raises:
        UsageError: no such folder or no image in it, a pattern without {image}, one name for two files, or nothing
            that two folders share.
    """
    folders = {**restored}
    folders |= {role: path for role, path in ((DEGRADED, degraded), (REFERENCE, reference)) if path is not None}
    patterns = _check_patterns(match or {}, folders)
    unpaired: list[Unpaired] = []
    chains: dict[str, dict[str, list[str]]] = {}
    for role, folder in folders.items():
        if not folder.is_dir():
            there = "a file" if folder.exists() else "nothing"
            raise UsageError(f"{role}: {folder} is {there}; expected a folder of images")
        pattern = patterns.get(role, patterns.get(""))
        found = image_names(folder)
        if pattern:
            chains[role] = _matched(role, found, pattern, unpaired)
        else:
            chains[role] = {name: names_of(_stem(name), role if role in restored else None) for name in found}
    names, given_up = named(chains)
    keyed = {role: _by_name(role, of) for role, of in names.items()}
    restored_keys = sorted(set().union(*(keyed[method] for method in restored)))
    _refuse_strangers(keyed, restored_keys)
    unpaired += _missing(keyed, restored_keys, given_up)
    known = set(restored_keys)
    files = {
        role: FolderFiles(folders[role], {key: name for key, name in by_key.items() if key in known})
        for role, by_key in keyed.items()
    }
    return Pairing(tuple(restored_keys), tuple(restored), files, tuple(unpaired))


def by_image(unpaired: Iterable[Unpaired]) -> list[dict[str, Any]]:
    """What is unpaired, an entry an image: `image`, `reason`, and `files` by folder, None where it has none."""
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    for one in unpaired:
        entry = entries.setdefault((one.image, one.reason), {"image": one.image, "reason": one.reason, "files": {}})
        entry["files"][one.folder] = None if one.lacking else one.file
    return [entries[key] for key in sorted(entries)]


def patterns_of(given: Sequence[str]) -> dict[str, str]:
    """Read [NAME=]PATTERN entries as the `match` of `pair_folders`.

    Args:
        given: what stands before the first "=" is a folder's name, unless it holds {image} already.

    Raises:
        UsageError: two patterns for one folder.
    """
    patterns: dict[str, str] = {}
    for entry in given:
        name, equals, pattern = entry.partition("=")
        role, pattern = (name.strip(), pattern) if equals and PLACE not in name else ("", entry)
        if role in patterns:
            folder = f"the folder {role!r}" if role else "all folders"
            raise UsageError(f"--match {entry}: {folder} has the pattern {patterns[role]} already; expected one")
        patterns[role] = pattern
    return patterns


def _check_patterns(match: Mapping[str, str], folders: Mapping[str, Path]) -> dict[str, re.Pattern[str]]:
    compiled = {}
    for role, pattern in match.items():
        if role and role not in folders:
            raise UsageError(f"--match {role}={pattern}: no folder is named {role!r}; given: {', '.join(folders)}")
        if pattern.count(PLACE) != 1:
            raise UsageError(f"--match {pattern}: expected {PLACE} once, as in '{PLACE}_x4_*'")
        before, after = (re.escape(part).replace(r"\*", ".*") for part in pattern.split(PLACE))
        compiled[role] = re.compile(f"{before}(?P<image>.+?){after}")
    return compiled


def _matched(
    role: str, files: Sequence[str], pattern: re.Pattern[str], unpaired: list[Unpaired]
) -> dict[str, list[str]]:
    """The name of every file that fits a pattern; what does not is unpaired."""
    found = {file: pattern.fullmatch(unicodedata.normalize("NFC", _stem(file))) for file in files}
    if not any(found.values()):
        raise UsageError(
            f"{role}: --match fits none of its {len(files)} images, such as {_first(files)}; "
            f"expected a pattern of the whole name without its ending, as in '{PLACE}_x4_*'"
        )
    reason = "its name does not fit --match"
    unpaired += [Unpaired(role, file, reason, file) for file, fit in found.items() if not fit]
    return {file: [fit["image"]] for file, fit in found.items() if fit}


def _stem(file: str) -> str:
    """A file's stem as text of UTF-8, whatever Python takes names for in this locale."""
    return os.fsencode(os.path.splitext(file)[0]).decode("utf-8", "surrogateescape")


def _by_name(role: str, names: Mapping[str, str]) -> dict[str, str]:
    """Files by name; two of one stem, or of one name by a pattern, are a question that only the user can answer."""
    found: dict[str, str] = {}
    for file, name in names.items():
        if name in found:
            raise UsageError(
                f"{role}: {found[name]} and {file} are both of the image {name!r}; expected one file an "
                f"image; rename one of them, or say which is meant with --match {role}='{PLACE}_SUFFIX'"
            )
        found[name] = file
    return found


def _refuse_strangers(keyed: Mapping[str, Mapping[str, str]], restored: Sequence[str]) -> None:
    """A folder that shares no image with the restored ones was named wrongly, or needs a pattern."""
    for role in sorted(keyed, key=lambda role: role not in (DEGRADED, REFERENCE)):
        by_key = keyed[role]
        others = [key for other, keys in keyed.items() if other != role for key in keys]
        if len(keyed) > 1 and not set(by_key) & set(others if role not in (DEGRADED, REFERENCE) else restored):
            here, there = (_first(sorted(set(keys))) for keys in (by_key, others))
            raise UsageError(
                f"{role}: none of its {len(by_key)} images has a partner: it holds {here}; the others hold {there}; "
                f"expected {RULE}; say how the names differ with --match {role}='{PLACE}_SUFFIX'"
            )


def _missing(
    keyed: Mapping[str, Mapping[str, str]],
    keys: Sequence[str],
    given_up: Mapping[str, str],
) -> list[Unpaired]:
    found, known = [], set(keys)

    def because(key: str) -> str:
        """Why an image is not known by a shorter name, where that may be what its partner has."""
        return next((f"; {given_up[name]}" for name in names_of(key) if name in given_up), "")

    for role, by_key in keyed.items():
        found += [
            Unpaired(role, key, f"no file of it{because(key)}", key, lacking=True) for key in keys if key not in by_key
        ]
        found += [
            Unpaired(role, file, f"no method restored it{because(key)}", key)
            for key, file in by_key.items()
            if key not in known
        ]
    return found


def _first(names: Iterable[str]) -> str:
    some = list(islice(names, SHOWN + 1))
    return ", ".join(some[:SHOWN]) + (", ..." if some[SHOWN:] else "")
