"""The documentation's generated pages hold all that there is, and the site builds without network or warning."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import ir_quality_plugin as irq
import ir_quality_plugin.integrations

ROOT = Path(__file__).parents[2]
GENERATE = ROOT / "docs" / "generate"
assert ir_quality_plugin.integrations  # BasicSR can be imported after it


@pytest.fixture(scope="module")
def generated():
    pytest.importorskip("basicsr")
    sys.path.insert(0, str(GENERATE))
    import pages

    yield pages.generated()
    for path in (str(GENERATE), str(ROOT)):
        sys.path.remove(path)


def test_every_command_and_option_is_in_the_reference(generated):
    from typer.main import get_command

    from ir_quality_plugin.cli.app import app

    page = generated["reference/commands.md"]
    found = 0
    for name, command in get_command(app).commands.items():
        for words, inner in {name: command, **getattr(command, "commands", {})}.items():
            if getattr(inner, "commands", None):
                continue
            section = re.search(rf"^## irq [\w ]*\b{words}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)[1]
            for parameter in inner.params:
                assert parameter.param_type_name == "argument" or parameter.opts[0] in section
            found += 1
    assert found >= 18


def test_every_public_object_is_in_the_reference(generated):
    page = generated["reference/python.md"]
    missing = [name for name in irq.__all__ if not name.startswith("_") and f".{name}\n" not in page]
    assert missing == []


def test_every_option_of_a_file_is_in_the_reference(generated):
    page = generated["reference/options.md"]
    schema = json.loads((ROOT / "recipes" / "schema.json").read_text())
    keys = set(schema["properties"]) - set(schema["$defs"])
    for section in schema["$defs"].values():
        keys |= set(section["properties"])
    assert {key for key in keys if f"`{key}`" not in page} == set()
    types = re.findall(r'"type": {"const": "(\w+)"}', json.dumps(schema))
    assert len(types) > 30
    assert {name for name in types if f"### {name}\n" not in page} == set()


def test_every_key_of_a_section_has_a_meaning(generated):
    """Where it is read, and in the schema, by which editors show it."""
    page = generated["reference/options.md"].split("## train.quality_opt")[0]
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) > 80
    assert [row for row in rows if row.endswith("|  |")] == []


def test_every_key_that_a_dataset_reads_is_in_the_reference(generated):
    section = generated["reference/options.md"].split("\n## datasets\n")[1].split("\n## ")[0]
    assert re.search(r"^\| PairedImageDataset \| .*`dataroot_gt`, `dataroot_lq`.*`io_backend`", section, re.MULTILINE)
    assert re.search(r"^\| QualityDataset \| .*`dataroot`.*`layout`.*`split`", section, re.MULTILINE)
    assert "| `batch_size_per_gpu` |" in section


def test_our_own_options_are_explained(generated):
    page = generated["reference/options.md"]
    for kind in ("QualityLoss", "ConditionalDistillationLoss", "calculate_quality", "CKDN"):
        section = page.split(f"### {kind}\n")[1].split("\n##")[0]
        rows = [line for line in section.splitlines() if line.startswith("| `")]
        assert rows and all(not row.endswith("|  |") for row in rows), kind


def test_a_table_of_the_readme_that_is_gone_is_an_error(generated):
    import pages

    assert "| scorer |" in pages.with_readme_tables("<!-- README table: SR4KIQA -->")
    with pytest.raises(LookupError, match="'no such header'"):
        pages.with_readme_tables("<!-- README table: no such header -->")


def test_every_picture_of_a_page_is_there_and_small():
    shown = set()
    for page in (ROOT / "docs").rglob("*.md"):
        for link in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text()):
            path = (page.parent / link).resolve()
            assert path.stat().st_size < 300_000, f"{link} on {page.name}"
            shown.add(path)
    pictures = {path.resolve() for path in (ROOT / "docs" / "pictures").rglob("*.webp")}
    in_tables = {
        path for path in pictures if path.parent.name == "term" or path.stem.startswith(("reference_", "judged_"))
    }
    assert shown == pictures - in_tables  # which are made when the site is built


@pytest.mark.slow
def test_the_site_builds_and_fetches_nothing(tmp_path):
    for package in ("material", "mkdocstrings_handlers"):
        if find_spec(package) is None:
            pytest.skip("mkdocs-material or mkdocstrings is not installed: pip install -e '.[docs]'")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "https_proxy": "http://127.0.0.1:9"}
    finished = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert "WARNING" not in finished.stderr
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"""(?:src|<link[^>]*rel="stylesheet"[^>]*href)=["']https?://""", text), page
    assert "ckdn-s" in (tmp_path / "gallery.html").read_text()
    assert not (tmp_path / "generate").exists()
