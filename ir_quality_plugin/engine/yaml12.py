"""YAML as option files write it: numbers as in YAML 1.2 (`1e-4` is one), and no key twice."""

from __future__ import annotations

import re
from typing import Any

import yaml

from ..errors import UsageError


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's numbers and booleans; a key that stands twice in a mapping is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping, and refuse a key that is there already."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                raise UsageError(f"line {line}: the key {key.value!r} stands twice; expected once: remove one")
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """Read YAML 1.2's integers: decimal, also with leading zeros, 0o17 and 0x1f."""
        text = self.construct_scalar(node)
        sign, digits = (-1 if text.startswith("-") else 1), text.lstrip("+-")
        return sign * (int(digits, 0) if digits[:2] in ("0o", "0x") else int(digits))


NUMBER = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
INTEGER = re.compile(r"^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$")
Loader.add_implicit_resolver("tag:yaml.org,2002:int", INTEGER, list("-+0123456789"))
Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_integer)
Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"), None)
Loader.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+.0123456789"))


def parse(text: str, where: str) -> Any:
    """Parse YAML; nothing in it is executed.

    Args:
        text: of a file or of an override.
        where: it comes from, for errors.

    Raises:
        UsageError: no YAML, a tag that would build an object, a key twice.
    """
    try:
        return yaml.load(text, Loader)  # our loader is a safe one
    except yaml.YAMLError as error:
        raise UsageError(f"{where} cannot be read as YAML: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{where} is nested too deeply for an option file") from error
