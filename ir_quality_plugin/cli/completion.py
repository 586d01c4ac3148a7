"""Values that the shell completes; read without torch, since a Tab should not wait for it."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

# As in the catalogue; a test holds the two together.
SCORERS = ("teacheriqa", "ckdn", "cvrkd", "teacheriqa-s", "ckdn-s", "cvrkd-s")


def pyiqa_metrics(incomplete: str) -> list[str]:
    """Names of pyiqa's metrics that begin like this, from its source: to import it takes seconds."""
    package = find_spec("pyiqa")
    for folder in (package and package.submodule_search_locations) or ():
        source = Path(folder) / "default_model_configs.py"
        if source.is_file():
            return sorted(name for name in _keys_of("DEFAULT_CONFIGS", source) if name.startswith(incomplete))
    return []


def _keys_of(table: str, source: Path) -> list[str]:
    """The keys of a mapping that stands in a module."""
    try:
        body = ast.parse(source.read_text(encoding="utf-8")).body
    except (OSError, ValueError, SyntaxError):
        return []
    assigned = (one for one in body if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == table)
    mappings = (node for one in assigned for node in ast.walk(one.value) if isinstance(node, ast.Dict))
    outer = next(mappings, ast.Dict([], []))
    return [str(key.value) for key in outer.keys if isinstance(key, ast.Constant)]


def scorers(incomplete: str) -> list[str]:
    """Names of scorers that begin like this."""
    return [name for name in SCORERS if name.startswith(incomplete)]
