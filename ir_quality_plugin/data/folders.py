"""Pair the files of several folders by their names: the same stem, up to the suffixes that the field appends."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from .images import list_images

RESTORED, DEGRADED, REFERENCE = "restored", "degraded", "reference"
# What networks and data sets append to a stem: baboonx4, baboon_x4, baboon_out, baboon_SR.
WORDS = ("out", "output", "restored", "sr", "hr", "lr", "lq", "gt")
SUFFIX = re.compile(rf"([-_]?x(2|3|4|8|16)|[-_]({'|'.join(WORDS)}))$", re.IGNORECASE)
RULE = "the same stem, or the same without _x4, x4 (2, 3, 4, 8, 16), " + ", ".join(f"_{word}" for word in WORDS)
PLACE = "{image}"
SHOWN = 3


@dataclass(frozen=True)
class Unpaired:
    """A file without its partners, or a partner that is not there.

    Attributes:
        folder: "degraded", "reference" or the name of a method.
        file: name of the file, or of the image that the folder lacks.
        reason: why it has no pair.
    """

    folder: str
    file: str
    reason: str


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
    files: dict[str, dict[str, Path]]
    unpaired: tuple[Unpaired, ...]


def pair_folders(
    restored: Mapping[str, Path],
    degraded: Path | None = None,
    reference: Path | None = None,
    match: Mapping[str, str] | None = None,
) -> Pairing:
    """Pair the images of several methods with each other, with their degraded inputs and their clean references.

    A file is known by its stem without the suffixes of `RULE`, in a method's folder also without `_METHOD`; where two
    files of a folder would then have one name, both keep their whole stem. What it is known by is the image's name, so
    that no folder that is added renames it. Sorted position never matters.

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
    keyed: dict[str, dict[str, Path]] = {}
    for role, folder in folders.items():
        if not folder.is_dir():
            found = "a file" if folder.exists() else "nothing"
            raise UsageError(f"{role}: {folder} is {found}; expected a folder of images")
        pattern = patterns.get(role, patterns.get(""))
        keyed[role] = _by_key(role, list_images(folder), pattern, role if role in restored else None, unpaired)
    restored_keys = sorted(set().union(*(keyed[method] for method in restored)))
    _refuse_strangers(keyed, restored_keys)
    unpaired += _missing(keyed, restored_keys, restored)
    known = set(restored_keys)
    files = {role: {key: path for key, path in by_key.items() if key in known} for role, by_key in keyed.items()}
    return Pairing(tuple(restored_keys), tuple(restored), files, tuple(unpaired))


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


def image_name(stem: str, method: str | None = None) -> str:
    """The stem without the suffixes of `RULE`, and without `_METHOD`.

    Args:
        stem: of the file's name.
        method: whose folder it lies in.
    """
    name = unicodedata.normalize("NFC", stem)
    own = re.compile(rf"[-_]{re.escape(method)}$", re.IGNORECASE) if method else None
    while True:
        shorter = SUFFIX.sub("", name)
        shorter = own.sub("", shorter) if own else shorter
        if shorter in ("", name):
            return name
        name = shorter


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


def _by_key(
    role: str, paths: list[Path], pattern: re.Pattern[str] | None, method: str | None, unpaired: list[Unpaired]
) -> dict[str, Path]:
    keys: dict[Path, str] = {}
    for path in paths:
        if pattern is None:
            keys[path] = image_name(path.stem, method)
        elif found := pattern.fullmatch(unicodedata.normalize("NFC", path.stem)):
            keys[path] = found["image"]
        else:
            unpaired.append(Unpaired(role, path.name, "its name does not fit --match"))
    shared = _repeated(list(keys.values()))
    if pattern is None:
        keys = {p: unicodedata.normalize("NFC", p.stem) if key in shared else key for p, key in keys.items()}
    double = _repeated(list(keys.values()))
    if double:
        first = sorted(double)[0]
        twins = " and ".join(path.name for path, key in keys.items() if key == first)
        raise UsageError(
            f"{role}: {twins} are both of the image {first!r}; expected one file an image; rename one of them, or say "
            f"which is meant with --match {role}='{PLACE}_SUFFIX'"
        )
    return {key: path for path, key in keys.items()}


def _repeated(keys: Sequence[str]) -> set[str]:
    seen: set[str] = set()
    return {key for key in keys if key in seen or seen.add(key)}  # type: ignore[func-returns-value]


def _refuse_strangers(keyed: Mapping[str, Mapping[str, Path]], restored: Sequence[str]) -> None:
    """A folder that shares no image with the restored ones was named wrongly, or needs a pattern."""
    for role in sorted(keyed, key=lambda role: role not in (DEGRADED, REFERENCE)):
        by_key = keyed[role]
        others = [key for other, keys in keyed.items() if other != role for key in keys]
        if len(keyed) > 1 and not set(by_key) & set(others if role not in (DEGRADED, REFERENCE) else restored):
            here, there = (", ".join(sorted(keys)[:SHOWN]) for keys in (by_key, others))
            raise UsageError(
                f"{role}: none of its {len(by_key)} images has a partner: it holds {here}; the others hold {there}; "
                f"expected {RULE}; say how the names differ with --match {role}='{PLACE}_SUFFIX'"
            )


def _missing(
    keyed: Mapping[str, Mapping[str, Path]],
    keys: Sequence[str],
    restored: Mapping[str, Path],
) -> list[Unpaired]:
    found, known = [], set(keys)
    for role, by_key in keyed.items():
        lacks = "this method has no file of it" if role in restored else f"there is no {role} file of it"
        found += [Unpaired(role, key, lacks) for key in keys if key not in by_key]
        found += [
            Unpaired(role, path.name, "no method restored it") for key, path in by_key.items() if key not in known
        ]
    return found
