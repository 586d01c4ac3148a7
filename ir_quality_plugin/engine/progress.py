"""What `progress.pt` of a state must hold: a file that is well-formed, and none that a run wrote, is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from ..data.names import FOLDER
from ..errors import CheckpointError


class Part(BaseModel):
    """A mapping of the file; values are of the kinds that a run writes, and none is converted."""

    model_config = ConfigDict(strict=True, extra="allow")


class Best(Part):
    """The best value of a metric on a set, and the iteration of it."""

    value: float
    iter: NonNegativeInt


class Judged(Part):
    """A validation as the guard keeps it: scores by metric and image."""

    iteration: NonNegativeInt
    scores: dict[str, dict[str, float]]


class Watched(Part):
    """What the guard has seen and said."""

    history: list[Judged]
    fired: dict[int, str]


class Stored(Part):
    """What is read before all else: how many processes wrote the state, and digests of its files."""

    processes: PositiveInt
    digests: dict[Annotated[str, Field(pattern=FOLDER)], str] = {}


class Progress(Part):
    """What a run goes on from; states of schedulers, terms and averages are checked by what loads them."""

    iteration: NonNegativeInt
    stopped: str | None
    owes_validation: bool = False
    same: dict[str, Any]
    schedulers: list[dict[str, Any]]
    average: dict[str, Any] | None
    terms: list[dict[str, Any]]
    skipped: NonNegativeInt
    skipped_in_a_row: NonNegativeInt
    best: dict[str, dict[str, Best]]
    guard: Watched | None


def check_part(kind: type[Part], content: Any, path: Path) -> dict[str, Any]:
    """Give back what was read, where it is what a run writes.

    Args:
        kind: what it must hold at least.
        content: that was read.
        path: of the file, for errors.

    Raises:
        CheckpointError: says what of it is wrong.
    """
    try:
        kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "all of it"
        raise CheckpointError(
            f"{path} is none that a run wrote ({place}: {first['msg'][0].lower()}{first['msg'][1:]}); name an earlier "
            "state"
        ) from error
    return dict(content)
