"""What some commands need beyond the package's own requirements, and the extras that bring it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from ..errors import UsageError

EXTRAS = {"basicsr": "basicsr", "cv2": "basicsr", "skimage": "basicsr", "pyiqa": "pyiqa"}


def require(*packages: str) -> None:
    """Look for packages of extras before any work is done; imports nothing.

    Raises:
        UsageError: one is not installed.
    """
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise UsageError(_advice(missing))


@contextmanager
def extras_named() -> Iterator[None]:
    """End with one line and code 2, instead of a traceback, where a package of an extra is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        print(f"irq: {_advice([package])}", file=sys.stderr)
        sys.exit(2)


def _advice(packages: list[str]) -> str:
    named = f"{', '.join(packages[:-1])} and {packages[-1]}" if len(packages) > 1 else packages[0]
    extras = ",".join(sorted({EXTRAS[package] for package in packages}))
    return (
        f"this command needs {named}, which {'are' if len(packages) > 1 else 'is'} not installed; "
        f"pip install 'ir-quality-plugin[{extras}]', or as irq doctor says"
    )
