"""One small family of errors: each message says what was given, what was expected and how to go on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class QualityPluginError(Exception):
    """The root of every error that this package raises on purpose."""


class UsageError(QualityPluginError, ValueError):
    """A call or a command that cannot be carried out as it was written: a wrong name, option or combination."""


class ImageError(QualityPluginError, ValueError):
    """An image or a tensor of images that cannot be scored: unreadable, wrong type, range, shape or size."""


class ImageMemoryError(ImageError):
    """A sound image that the machine had no memory for: smaller tiles, crops or another device may do."""


class NoGradientError(ImageError):
    """A metric through which no gradient reaches the image, whatever the image shows."""


class MissingInputError(UsageError):
    """A scorer that was not given what it judges against: the degraded input or a clean reference."""


class CheckpointError(QualityPluginError, ValueError):
    """A file of weights that cannot be read, is damaged, or belongs to another network."""


class MissingWeightsError(CheckpointError, UsageError):
    """Weights that are not there: neither shipped nor converted, or no file of that name. Nothing was begun."""


class Stopped(QualityPluginError):  # noqa: N818  # no error of anything
    """A training that was asked to stop by a signal, and did, with its state saved.

    Attributes:
        signal: number of the signal; 15 is SIGTERM.
    """

    def __init__(self, message: str, signal: int = 15) -> None:
        super().__init__(message)
        self.signal = signal


def one_line(name: str) -> str:
    """A name with control characters spelled out, so that it cannot break a table, nor tell a terminal what to do."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in name)


def plain(text: str) -> str:
    """A text with control characters spelled out but for its line feeds; its further lines are indented.

    So a line feed in a file's name cannot begin what looks like a message of its own.
    """
    return "\n  ".join(map(one_line, text.split("\n")))


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown name: the nearest known ones, or all of them."""
    names = {candidate.lower(): candidate for candidate in sorted(known)}
    wanted = name.lower()
    begun = [candidate for candidate in names if wanted and candidate.startswith(wanted)][:3]
    close = begun or difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(names[candidate]) for candidate in close) + "?"
    return "known: " + ", ".join(names.values())
