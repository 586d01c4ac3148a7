"""The JSON schema of option files, for editors: every section, and every registered type with its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..data.names import FOLDER
from ..integrations import basicsr_parts as parts_of
from ..integrations.options import LOSSES
from ..losses.opinion import OPINION_LOSSES
from .options import Options
from .scorer_checks import MODEL

JSON_TYPES: dict[Any, str] = {
    bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", Mapping: "object",
    list: "array", tuple: "array", Sequence: "array",
}  # fmt: skip


def schema() -> dict[str, Any]:
    """Make the schema from the option types, BasicSR's registries and the constructors in them."""
    document = Options.model_json_schema()
    sections = document["$defs"]
    document["title"] = "ir_quality_plugin option file"
    tables = parts_of.registered_types()
    networks, losses = _choice(tables["networks"]), _choice(tables["losses"])
    top = document["properties"]
    train, val = sections["TrainOptions"]["properties"], sections["ValOptions"]["properties"]
    ours = _choice(LOSSES)
    metrics = _choice(tables["metrics"], leave_out={"img", "img2"})
    top |= _described(
        top,
        network_g={"anyOf": networks["anyOf"][:-1]},  # the one that must be there
        network_d=networks,
        network_t=networks,
        model_type={"enum": sorted([*tables["models"], MODEL])},
        datasets={
            "type": "object",
            "propertyNames": {"pattern": FOLDER},
            "additionalProperties": _typed_by_name(tables["datasets"]),
        },
    )
    train |= _described(
        train,
        **dict.fromkeys(("pixel_opt", "perceptual_opt", "gan_opt", "ldl_opt"), losses),
        quality_opt={"anyOf": [ours, {"type": "array", "items": ours}, {"type": "null"}]},
        opinion_opt=_choice(OPINION_LOSSES, leave_out={"network", "teacher"}),
    )
    val |= _described(val, metrics={"type": ["object", "null"], "additionalProperties": metrics})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}


def _described(entries: Mapping[str, Any], **values: Mapping[str, Any]) -> dict[str, Any]:
    """What keys take, with what the option types say of them."""
    return {key: {"description": entries[key]["description"], **value} for key, value in values.items()}


def _typed_by_name(kinds: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"type": {"enum": sorted(kinds)}}, "required": ["type"]}


def _choice(kinds: Mapping[str, Any], leave_out: frozenset[str] | set[str] = frozenset()) -> dict[str, Any]:
    """Any of these types with its own parameters, or nothing."""
    return {"anyOf": [*(_parameters(name, kinds[name], leave_out) for name in sorted(kinds)), {"type": "null"}]}


def _parameters(name: str, kind: Callable[..., Any], leave_out: frozenset[str] | set[str]) -> dict[str, Any]:
    entries: dict[str, Any] = {"type": {"const": name}}
    required, closed = ["type"], False
    for owner in kind.__mro__ if isinstance(kind, type) else (kind,):
        function: Any = owner.__init__ if isinstance(owner, type) else owner  # type: ignore[misc]
        hints = _hints(function)
        parameters = inspect.signature(owner).parameters.values()
        for parameter in parameters:
            if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) or parameter.name in leave_out:
                continue
            entries.setdefault(parameter.name, _value(hints.get(parameter.name), parameter.default))
            if parameter.default is parameter.empty and owner is kind:
                required.append(parameter.name)
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters):
            closed = True
            break
    return {"type": "object", "properties": entries, "required": required, "additionalProperties": not closed}


def _hints(function: Any) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except (NameError, TypeError, AttributeError):  # annotations of others that cannot be resolved
        return {}


def _value(hint: Any, default: Any) -> dict[str, Any]:
    entry = _of_hint(hint)
    if isinstance(default, (bool, int, float, str)) or default is None:
        entry["default"] = default
    return entry


def _of_hint(hint: Any) -> dict[str, Any]:
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    choices = get_args(hint) if get_origin(hint) in (Union, UnionType) else ()
    if choices:
        entries = [_of_hint(choice) for choice in choices]
        return {"anyOf": entries} if all(entries) else {}
    if hint is type(None):
        return {"type": "null"}
    kind = get_origin(hint) or hint
    return {"type": JSON_TYPES[kind]} if kind in JSON_TYPES else {}
