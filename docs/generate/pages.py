"""The hook that mkdocs calls: pages and tables that are made when the site is built, and none of them is committed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# The modules beside this file, and the package as it stands here; mkdocs takes them off the path again.
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]

import commands  # noqa: E402
import method_figures  # noqa: E402
import objects  # noqa: E402
import options  # noqa: E402
import pictures  # noqa: E402

GALLERY_SCORES = "<!-- scores of the gallery -->"
REFERENCES_SCORES = "<!-- scores by reference -->"
README_TABLE = re.compile(r"<!-- README table: (.+?) -->")


def generated() -> dict[str, str]:
    """Every generated page by its place in the site."""
    return {
        "reference/commands.md": commands.page(),
        "reference/options.md": options.page(),
        "reference/python.md": objects.page(),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        "contributing.md": without_folder((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")),
    }


def without_folder(text: str) -> str:
    """A page of the repository's root with its links into docs/ as they are within the site."""
    return text.replace("](docs/", "](")


def with_readme_tables(text: str) -> str:
    """Put the README's table in place of each `<!-- README table: WORD -->`: the one whose header has that word.

    Raises:
        LookupError: the README has no such table.
    """
    tables = re.findall(r"^\|.*(?:\n\|.*)+", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)

    def table(wanted: re.Match[str]) -> str:
        found = [text for text in tables if wanted[1] in text.splitlines()[0]]
        if not found:
            raise LookupError(f"README.md has no table with {wanted[1]!r} in its header; mend {wanted[0]}")
        return found[0]

    return README_TABLE.sub(table, text)


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to what mkdocs found on the disk."""
    from mkdocs.structure.files import File

    for place, text in generated().items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in the README's tables, and scores by the weights that ship now."""
    for mark, scores in ((GALLERY_SCORES, pictures.scores), (REFERENCES_SCORES, method_figures.scores)):
        if mark in markdown:
            markdown = markdown.replace(mark, scores())
    return with_readme_tables(markdown)
