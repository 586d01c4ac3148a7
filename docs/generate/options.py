"""The reference of every option of an option file, made from the JSON schema and the docstrings of our types."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

TITLE = "Option files"
SCHEMA = Path(__file__).parents[2] / "recipes" / "schema.json"
SECTIONS = {
    "path": "PathOptions",
    "train": "TrainOptions",
    "train.guard": "GuardOptions",
    "val": "ValOptions",
    "logger": "LoggerOptions",
}
# What the loader reads of each dataset.
LOADING = {
    "name": "What results call it.",
    "batch_size_per_gpu": "Samples that a process sees at once.",
    "num_worker_per_gpu": "Processes that load images, for each that trains; 0: none.",
    "dataset_enlarge_ratio": "How often an epoch goes through the images.",
    "gt_size": "Side of the clean crop in pixels, where the dataset crops.",
    "pin_memory": "Load into memory that a GPU copies from fast.",
    "persistent_workers": "Keep the loading processes over epochs.",
    "prefetch_mode": "`cpu` or `cuda`: of BasicSR's trainer.",
    "num_prefetch_queue": "Batches that are prefetched, by BasicSR's trainer.",
}
KEPT_SHORT = 60
MISSING = object()


def page() -> str:
    """Markdown of the whole grammar: sections first, then every type with its own options."""
    from ir_quality_plugin.engine.options import SynthesisOptions

    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    required = set(schema["required"])
    keys = sorted(schema["properties"], key=lambda key: (key not in required, key))
    top = {key: schema["properties"][key] for key in keys if key not in SynthesisOptions.model_fields}
    synthesis = {key: schema["properties"][key] for key in keys if key in SynthesisOptions.model_fields}
    parts = [
        f"# {TITLE}\n",
        "Made from `recipes/schema.json` (`irq recipes schema` writes it; a recipe's `yaml-language-server` line lets "
        "an editor complete and check with it). The grammar is BasicSR's; a key that stands nowhere here is an error "
        "that names the nearest one.\n",
        "## Top of the file\n",
        table(top, required),
        "## Real-ESRGAN's synthesis\n",
        "At the top of the file too, for `QualityRealESRGANModel`: how inputs are made of clean images.\n",
        table(synthesis, set()),
        *(section(place, schema["$defs"][name]) for place, name in SECTIONS.items()),
        *typed_sections(schema),
        datasets(schema),
        f"## model_type\n\n{names(schema['properties']['model_type'])}\n",
    ]
    return "\n".join(parts)


def section(place: str, definition: Mapping[str, Any]) -> str:
    """One mapping of the file with its keys."""
    about = re.sub(r"^`[\w.]+`: ", "", definition.get("description", ""))
    return f"## {place}\n\n{about[:1].upper()}{about[1:]}\n\n" + table(
        definition["properties"], set(definition.get("required", []))
    )


def typed_sections(schema: Mapping[str, Any]) -> Iterator[str]:
    """Every place that takes a `type`, with the types it takes; ours come with what their docstrings say."""
    train, val = schema["$defs"]["TrainOptions"]["properties"], schema["$defs"]["ValOptions"]["properties"]
    places = {
        "train.quality_opt": (train["quality_opt"]["anyOf"][0], "One of these, or a list of them."),
        "train.opinion_opt": (train["opinion_opt"], "What a `ScorerModel` minimises."),
        "val.metrics": (val["metrics"]["additionalProperties"], "A name of your choice for each."),
        "Networks": (schema["properties"]["network_g"], "`network_g`, `network_d` and `network_t`."),
        "BasicSR losses": (train["pixel_opt"], "`pixel_opt`, `perceptual_opt`, `gan_opt` and `ldl_opt`."),
    }
    shown: set[str] = set()
    for title, (choice, about) in places.items():
        kinds = {entry["properties"]["type"]["const"]: entry for entry in choice["anyOf"] if "properties" in entry}
        lines = [f"## {title}\n", about + "\n"]
        for name in sorted(kinds, key=lambda name: (docstring(name) == "", name)):
            if name in shown:
                continue
            shown.add(name)
            lines.append(f"### {name}\n")
            if docstring(name):
                lines.append(docstring(name).split("\n\n")[0].replace("\n", " ") + "\n")
            own = {key: value for key, value in kinds[name]["properties"].items() if key != "type"}
            lines.append(table(own, set(kinds[name]["required"]), arguments(name)))
        yield "\n".join(lines)


def datasets(schema: Mapping[str, Any]) -> str:
    """The datasets: they take one mapping, which the docstrings of ours describe."""
    from ir_quality_plugin.data.judged import QualityDataset
    from ir_quality_plugin.integrations.basicsr_datasets import DegradedOnTheFlyDataset
    from ir_quality_plugin.integrations.basicsr_parts import LOADING_KEYS, dataset_keys, registered_types
    from ir_quality_plugin.integrations.register import register

    register()
    kinds = schema["properties"]["datasets"]["additionalProperties"]["properties"]["type"]
    lines = ["## datasets\n", f"`train`, `val`, and `test` of a scorer, each with a `type`: {names(kinds)}\n"]
    for kind in (QualityDataset, DegradedOnTheFlyDataset):
        summary = inspect.getdoc(kind).partition("Args:")[0].strip()
        lines += [f"### {kind.__name__}\n", summary + "\n", _sentence(described(kind)["opt"]) + "\n"]
    lines += ["### What each reads\n", "| type | keys |", "|---|---|"]
    read = {name: dataset_keys(kind) - LOADING_KEYS for name, kind in registered_types()["datasets"].items()}
    lines += [f"| {name} | {', '.join(f'`{key}`' for key in sorted(keys))} |" for name, keys in sorted(read.items())]
    lines += ["\nAnd, of any type:\n", "| key | |", "|---|---|"]
    lines += [f"| `{key}` | {text} |" for key, text in LOADING.items()]
    return "\n".join(lines) + "\n"


def names(entry: Mapping[str, Any]) -> str:
    """Registered names as a sentence."""
    return ", ".join(f"`{name}`" for name in entry["enum"]) + "."


def table(entries: Mapping[str, Any], required: set[str], about: Mapping[str, str] | None = None) -> str:
    """Keys with their values, defaults and meaning."""
    if not entries:
        return "No options of its own.\n"
    lines = ["| key | value | default | |", "|---|---|---|---|"]
    for key, entry in entries.items():
        default = entry.get("default", MISSING)
        shown = (
            "required"
            if key in required
            else ""
            if default is MISSING or isinstance(default, (dict, list))
            else f"`{json.dumps(default)}`"
        )
        text = (about or {}).get(key) or entry.get("description", "")
        lines.append(f"| `{key}` | {_cell(values(entry))} | {shown} | {_cell(_sentence(text))} |")
    return "\n".join(lines) + "\n"


def values(entry: Mapping[str, Any]) -> str:
    """What a key takes, in words."""
    if "$ref" in entry:
        return "mapping"
    if "type" in entry.get("properties", {}):
        return "mapping with a `type`"
    if "enum" in entry:
        text = ", ".join(f"`{value}`" for value in entry["enum"])
        return text if len(text) < 4 * KEPT_SHORT else f"one of {len(entry['enum'])} registered names"
    if "anyOf" in entry:
        kinds = [values(kind) for kind in entry["anyOf"]]
        text = " or ".join(dict.fromkeys(kind for kind in kinds if kind))
        return text
    bounds = [
        f"{sign} {entry[name]}"
        for name, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
        if name in entry
    ]
    words = {
        "integer": "whole number",
        "object": "mapping",
        "array": "list",
        "string": "text",
        "boolean": "true or false",
    }
    given = entry.get("type", "")
    kind = " or ".join(words.get(one, one) for one in ([given] if isinstance(given, str) else given))
    return " ".join([kind or "anything", ", ".join(bounds)]).strip()


def docstring(name: str) -> str:
    """Of one of our types; nothing for BasicSR's."""
    return inspect.getdoc(ours()[name]) or "" if name in ours() else ""


def arguments(name: str) -> dict[str, str]:
    """What the docstrings of one of our types, and of its bases, say of each constructor argument."""
    kind = ours().get(name)
    owners = reversed(kind.__mro__) if isinstance(kind, type) else [kind] if kind else []
    return {argument: text for owner in owners for argument, text in described(owner).items()}


def described(owner: Callable[..., Any]) -> dict[str, str]:
    """The `Args:` of one docstring."""
    found: dict[str, str] = {}
    part = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", inspect.cleandoc(owner.__doc__ or ""), re.MULTILINE | re.DOTALL)
    for line in re.findall(r"^ {4}(\w.*(?:\n {8}.*)*)", part[1], re.MULTILINE) if part else []:
        argument_names, _, text = line.partition(": ")
        found |= {argument.strip(): " ".join(text.split()) for argument in argument_names.split(",")}
    return found


def ours() -> dict[str, Callable[..., Any]]:
    """Types of this package that option files name."""
    from ir_quality_plugin.integrations.basicsr_metrics import calculate_pyiqa, calculate_quality
    from ir_quality_plugin.integrations.options import LOSSES
    from ir_quality_plugin.integrations.register import TeacherRestorationNet
    from ir_quality_plugin.losses.opinion import OPINION_LOSSES
    from ir_quality_plugin.models import CKDN, CVRKD, TeacherIQAStudent

    types = {
        kind.__name__: kind
        for kind in (TeacherRestorationNet, TeacherIQAStudent, CKDN, CVRKD, calculate_quality, calculate_pyiqa)
    }
    return {**LOSSES, **OPINION_LOSSES, **types}


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}" if not text.startswith("`") else text


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
