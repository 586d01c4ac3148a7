"""Lists of numbers and of texts in MATLAB files, as some sets keep their scores.

MATLAB's level 5, which every MATLAB since 1996 writes unless it is asked for version 7.3. It is read here and not by
scipy, in whose reader a damaged file ends the whole process.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from math import prod
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from ..errors import UsageError
from ..files import regular

# The largest set that keeps scores so has a thousand images; such files may be packed, and claim any size.
MOST_VALUES = 1_000_000
MOST_BYTES = 2**26
# Where an array says its name and size, before its values.
HEAD_BYTES = 4096
FILE_HEADER_BYTES = 128
# The format's numbers of types: of what is stored, and of the array.
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
LETTERS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
NAME, SIZES, FLAGS, MATRIX, PACKED = 1, 5, 6, 14, 15
CELLS, CHARACTERS, NUMERIC = 1, 4, range(6, 16)
COMPLEX = 0x800
STUMBLES = (OSError, ValueError, struct.error, zlib.error)
Values = TypeVar("Values")


class Array(NamedTuple):
    """An array's name, type and number of values (length), and its stored parts behind these."""

    name: str
    kind: int
    length: int
    parts: Iterator[tuple[int, memoryview]]


def read_numbers(path: Path, *wanted: str) -> dict[str, list[float]]:
    """Read those of the wanted arrays of real numbers that a MATLAB file has; nothing else of it is unpacked.

    Args:
        path: of the file, before version 7.3.
        wanted: their names.

    Returns:
        The values by name, in MATLAB's order.

    Raises:
        UsageError: it cannot be read, or has none of them, or one of more than `MOST_VALUES`.
    """
    return _read(path, wanted, _numbers)


def read_texts(path: Path, wanted: str) -> list[str]:
    """Read a cell array of texts likewise."""
    return _read(path, (wanted,), _texts)[wanted]


def _read(path: Path, wanted: tuple[str, ...], values: Callable[[Array, str], Values]) -> dict[str, Values]:
    found = {}
    try:
        size = regular(path).stat().st_size
        if size > MOST_BYTES:
            raise UsageError(f"{path} is {size:,} bytes long; expected the set's own file, of at most {MOST_BYTES:,}")
        content = memoryview(path.read_bytes())
        order = _byte_order(content[:FILE_HEADER_BYTES])
        for kind, stored in _elements(content[FILE_HEADER_BYTES:], order):
            unpacker = zlib.decompressobj() if kind == PACKED else None
            head = memoryview(unpacker.decompress(stored, HEAD_BYTES))[8:] if unpacker else stored
            array = _array(head, order) if unpacker or kind == MATRIX else None
            if array is None or array.name not in wanted:
                continue
            if array.length > MOST_VALUES:
                raise UsageError(f"{path} has {array.length:,} values of {array.name}; expected the set's own file")
            if unpacker:
                array = _array(memoryview(bytes(head) + _rest(unpacker)), order)
            found[array.name] = values(array, order)
    except STUMBLES as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(
            f"{path} cannot be read as a MATLAB file: {error}; copy it again, or save it anew with MATLAB's -v7"
        ) from error
    if not found:
        raise UsageError(f"{path} has none of {', '.join(wanted)}; expected the set as it unpacks")
    return found


def _byte_order(header: memoryview) -> str:
    order = {b"IM": "<", b"MI": ">"}.get(bytes(header[126:]))
    if order is None:
        raise ValueError("it has no header of level 5")
    (version,) = struct.unpack_from(f"{order}H", header, 124)
    if version != 0x100:
        raise ValueError(f"it is of version {version:#x}, expected 0x100")
    return order


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """The stored parts of a file or an array: type and bytes."""
    place = 0
    while place < len(content):
        kind, size = struct.unpack_from(f"{order}II", content, place)
        start, padding = place + 8, 0 if kind == PACKED else -size % 8
        if kind >> 16:  # four bytes at most, beside their type
            kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
            if size > 4:
                raise ValueError(f"{size} bytes where four have room")
            padding = 4 - size
        if start + size > len(content):
            raise ValueError("it is cut")
        yield kind, content[start : start + size]
        place = start + size + padding


def _array(content: memoryview, order: str) -> Array:
    parts = _elements(content, order)
    heads = list(islice(parts, 3))
    if [kind for kind, _ in heads] != [FLAGS, SIZES, NAME]:
        raise ValueError("an array does not begin as one")
    flags, sizes, name = (stored for _, stored in heads)
    (kind,) = struct.unpack_from(f"{order}I", flags)
    if kind & COMPLEX:
        raise ValueError("its numbers are complex")
    lengths = np.frombuffer(sizes, f"{order}i4").tolist()
    if not lengths or min(lengths) < 0:
        raise ValueError(f"an array of {lengths} values")
    return Array(bytes(name).decode("ascii"), kind & 0xFF, prod(lengths), parts)


def _rest(unpacker: zlib._Decompress) -> bytes:
    content = unpacker.decompress(unpacker.unconsumed_tail, MOST_BYTES)
    if not unpacker.eof:
        raise ValueError(f"it is cut, or unpacks into more than {MOST_BYTES:,} bytes")
    return content


def _numbers(array: Array, order: str) -> list[float]:
    kind, stored = next(array.parts, (0, memoryview(b"")))
    if array.kind not in NUMERIC or kind not in NUMBERS:
        raise ValueError(f"{array.name} holds no plain numbers")
    values = np.frombuffer(stored, order + NUMBERS[kind])
    if len(values) != array.length:
        raise ValueError(f"{array.name} has {len(values)} of {array.length} values")
    return values.astype(np.float64).tolist()


def _texts(array: Array, order: str) -> list[str]:
    if array.kind != CELLS:
        raise ValueError(f"{array.name} is no cell array of texts")
    texts = [_text(kind, stored, order) for kind, stored in islice(array.parts, array.length)]
    if len(texts) != array.length:
        raise ValueError(f"{array.name} has {len(texts)} of {array.length} texts")
    return texts


def _text(kind: int, stored: memoryview, order: str) -> str:
    array = _array(stored, order) if kind == MATRIX else None
    letters, text = next(array.parts, (0, memoryview(b""))) if array else (0, memoryview(b""))
    if array is None or array.kind != CHARACTERS or letters not in LETTERS:
        raise ValueError("a cell holds no text")
    form = LETTERS[letters]
    return bytes(text).decode(f"{form}-{'le' if order == '<' else 'be'}" if form in ("utf-16", "utf-32") else form)
