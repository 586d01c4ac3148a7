"""YAML as option files write it: numbers as in YAML 1.2 (`1e-4` is one), and no key twice."""

from __future__ import annotations

import re
from typing import Any

import yaml

from ..errors import UsageError

# An option file has a hundred lines. What is longer, or grows by aliases into more, is none, or was made to hurt.
MOST_BYTES = 2**20
MOST_VALUES = 20_000
LONGEST_NUMBER = 400


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's numbers and booleans; a key that stands twice in a mapping is an error.

    Tags other than those of null, bool, int, float, str, seq and map are errors, and so are aliases that unfold into
    more than `MOST_VALUES` values.
    """

    def get_single_data(self) -> Any:
        """Build the document, once what it unfolds into is known to be little."""
        node = self.get_single_node()
        if node is None:
            return None
        if unfolded(node) > MOST_VALUES:
            raise UsageError(f"it unfolds into more than {MOST_VALUES} values; expected an option file: write them out")
        return self.construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping, and refuse a key that is there already."""
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise UsageError(f"line {key.start_mark.line + 1}: a list or mapping stands as a key; expected a name")
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                raise UsageError(f"line {line}: the key {key.value!r} stands twice; expected once: remove one")
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """Read YAML 1.2's integers: decimal, also with leading zeros, 0o17 and 0x1f."""
        text = self.construct_scalar(node)
        if len(text) > LONGEST_NUMBER:
            raise yaml.constructor.ConstructorError(None, None, f"a number of {len(text)} digits", node.start_mark)
        sign, digits = (-1 if text.startswith("-") else 1), text.lstrip("+-")
        return sign * (int(digits, 0) if digits[:2] in ("0o", "0x") else int(digits))

    def refuse_tag(self, node: yaml.Node) -> Any:
        """Refuse a tag that option files have no use for."""
        tag = node.tag.replace("tag:yaml.org,2002:", "!!", 1)
        raise yaml.constructor.ConstructorError(
            None, None, f"the tag {tag} stands there; expected none: leave it out", node.start_mark
        )


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
Loader.yaml_constructors = {
    f"tag:yaml.org,2002:{kind}": yaml.SafeLoader.yaml_constructors[f"tag:yaml.org,2002:{kind}"]
    for kind in ("null", "bool", "float", "str", "seq", "map")
}
Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_integer)
Loader.add_constructor(None, Loader.refuse_tag)
Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"), None)
Loader.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+.0123456789"))


def unfolded(root: yaml.Node) -> int:
    """How many values a document has with its aliases written out; more than `MOST_VALUES` where one holds itself."""
    counted: dict[yaml.Node, int] = {}

    def count(node: yaml.Node) -> int:
        if node not in counted:
            counted[node] = MOST_VALUES + 1  # until it is known: an alias of what it stands in never ends
            inner = node.value if isinstance(node, yaml.CollectionNode) else []
            parts = [part for entry in inner for part in (entry if isinstance(entry, tuple) else (entry,))]
            counted[node] = 1 + sum(map(count, parts))
        return counted[node]

    return count(root)


def parse(text: str, where: str) -> Any:
    """Parse YAML; nothing in it is executed.

    Args:
        text: of a file or of an override.
        where: it comes from, for errors.

    Raises:
        UsageError: no YAML, a tag that would build an object, a key twice, or far more than an option file holds.
    """
    if len(text) > MOST_BYTES:
        raise UsageError(
            f"{where} is {len(text):,} characters long; expected an option file, of at most {MOST_BYTES:,}"
        )
    try:
        return yaml.load(text, Loader)  # our loader is a safe one
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:  # a tag that does not fit
        raise UsageError(f"{where} cannot be read as YAML: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{where} is nested too deeply for an option file") from error
