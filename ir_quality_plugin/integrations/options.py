"""Build our types from option mappings: every key is checked before any training starts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from torch import nn

from ..errors import UsageError, nearest
from ..losses import (
    ContentVariantQualityLoss,
    DegradedReferenceQualityLoss,
    NoReferenceQualityLoss,
    QualityLoss,
    TeacherFeatureLoss,
)
from .pyiqa_loss import PyiqaLoss

LOSSES: dict[str, type[nn.Module]] = {
    kind.__name__: kind
    for kind in (
        QualityLoss,
        NoReferenceQualityLoss,
        DegradedReferenceQualityLoss,
        ContentVariantQualityLoss,
        TeacherFeatureLoss,
        PyiqaLoss,
    )
}


def parameters_of(kind: Callable[..., Any]) -> set[str] | None:
    """The names that a type's constructor, or a function, takes; None where it takes any.

    `**options` of a constructor stands for the parameters of its base class.
    """
    names: set[str] = set()
    for owner in kind.__mro__ if isinstance(kind, type) else (kind,):
        signature = inspect.signature(owner)
        names |= {
            name for name, p in signature.parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        }
        if all(p.kind is not p.VAR_KEYWORD for p in signature.parameters.values()):
            return names
    return None


def check_keys(kind: Callable[..., Any], options: Mapping[str, Any], where: str, given: Collection[str] = ()) -> None:
    """Refuse a key that a type does not take.

    Args:
        kind: a class or a function.
        options: of the option file; `type` is left out.
        where: they stand.
        given: parameters that are not options, since the caller gives them.

    Raises:
        UsageError: names the key, where it stands, and the nearest known one.
    """
    known = parameters_of(kind)
    if known is None:
        return
    for key in options:
        if key != "type" and key not in known - set(given):
            raise UsageError(f"{where}: {kind.__name__} has no option {key!r}; {nearest(str(key), known - set(given))}")


def build_term(options: Mapping[str, Any], where: str) -> Any:
    """Build one loss from an option mapping with a `type`.

    Raises:
        UsageError: an unknown type or key, or a value that the loss refuses.
    """
    entries = dict(options)
    name = entries.pop("type", None)
    if name not in LOSSES:
        raise UsageError(f"{where}: type={name!r} is none of our losses; {nearest(str(name), LOSSES)}")
    check_keys(LOSSES[name], entries, where)
    try:
        return LOSSES[name](**entries)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    except TypeError as error:
        raise UsageError(f"{where}: {name} {str(error).split(')', 1)[-1].strip()}") from error


def build_terms(options: Mapping[str, Any] | list[Any] | None, where: str = "train.quality_opt") -> list[Any]:
    """Build the losses of a `quality_opt`: one mapping or a list of them; none where it is missing.

    Raises:
        UsageError: as `build_term`, or an entry that is no mapping.
    """
    return [build_term(entry, place) for place, entry in entries_of(options, where)]


def entries_of(
    options: Mapping[str, Any] | list[Any] | None, where: str = "train.quality_opt"
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give each mapping of a `quality_opt` with the place where it stands.

    Raises:
        UsageError: an entry that is no mapping.
    """
    entries = [] if options is None else options if isinstance(options, list) else [options]
    for index, entry in enumerate(entries):
        place = f"{where}[{index}]" if isinstance(options, list) else where
        if not isinstance(entry, Mapping):
            raise UsageError(f"{place} is a {type(entry).__name__}; expected a mapping with a type")
        yield place, entry
