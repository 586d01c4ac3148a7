"""Arrays of MATLAB files, as some sets keep their scores."""

from __future__ import annotations

import re
import struct
import zlib
from math import prod
from pathlib import Path
from typing import Any

from ..errors import UsageError

# The largest set that keeps scores so has a thousand images; such files may be packed, and claim any size.
MOST_VALUES = 1_000_000
# What scipy raises over damaged files.
STUMBLES = (
    ArithmeticError, AttributeError, LookupError, MemoryError, NotImplementedError, OSError, TypeError, ValueError,
    struct.error, zlib.error,
)  # fmt: skip


def read_arrays(path: Path, *wanted: str) -> dict[str, Any]:
    """Read those of the wanted arrays that a MATLAB file has; nothing else of it is unpacked.

    Args:
        path: of the file, before version 7.3.
        wanted: their names.

    Returns:
        Arrays by name.

    Raises:
        UsageError: it cannot be read, or has none of them, or one of more than `MOST_VALUES`.
    """
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    try:
        shapes = {name: shape for name, shape, _ in whosmat(path) if name in wanted}
        large = [name for name, shape in shapes.items() if prod(shape) > MOST_VALUES]
        found = {} if large else loadmat(path, variable_names=list(shapes))
    except (MatReadError, *STUMBLES) as error:
        reason = re.sub(r"\s+", " ", str(error)) or type(error).__name__
        raise UsageError(f"{path} cannot be read as a MATLAB file: {reason}") from error
    if large:
        raise UsageError(f"{path} has {prod(shapes[large[0]]):,} values of {large[0]}; expected the set's own file")
    if not shapes:
        raise UsageError(f"{path} has none of {', '.join(wanted)}; expected the set as it unpacks")
    return {name: found[name] for name in shapes}
