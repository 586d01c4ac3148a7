"""Stock recipes with one thing changed: they validate, or an error of ours says where; and the schema agrees."""

import copy
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as some

import ir_quality_plugin.integrations
from ir_quality_plugin.data.yaml12 import parse
from ir_quality_plugin.engine.options import check
from ir_quality_plugin.errors import QualityPluginError

pytest.importorskip("basicsr")
pytest.importorskip("jsonschema")

import jsonschema

from ir_quality_plugin.engine.kinds import check_all
from ir_quality_plugin.engine.schema import schema
from ir_quality_plugin.integrations.register import register

assert ir_quality_plugin.integrations
RECIPES = Path(__file__).parents[2] / "recipes"
STOCK = {
    f"{path.parent.name}/{path.stem}": parse(path.read_text(), path.name)
    for path in sorted(RECIPES.rglob("*.yml"))
    if path.parent.name in ("smoke", "ckdn", "cvrkd", "teacher_iqa")
}


@pytest.fixture(scope="module", autouse=True)
def at_the_clone():
    register()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(RECIPES.parent)
        yield


@pytest.fixture(scope="module")
def editor(at_the_clone):
    """What an editor would mark."""
    validator = jsonschema.Draft202012Validator(json.loads(json.dumps(schema())))
    return lambda content: [error.message for error in validator.iter_errors(content)]


def places_in(content, place=()):
    """Every key and entry, from the top down."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield (*place, key)
        yield from places_in(value, (*place, key))


def parent_of(content, place):
    for key in place[:-1]:
        content = content[key]
    return content


odd_values = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(-3, 2**40),
    some.floats(),
    some.text(max_size=8),
    some.just([]),
    some.just({}),
    some.lists(some.one_of(some.integers(), some.text(max_size=3)), max_size=3),
    some.dictionaries(some.one_of(some.text(max_size=4), some.integers(0, 3)), some.integers(), max_size=2),
)


@some.composite
def changed(draw):
    """A recipe, where it was changed, and how."""
    content = copy.deepcopy(STOCK[draw(some.sampled_from(sorted(STOCK)))])
    place = draw(some.sampled_from(sorted(places_in(content), key=str)))
    parent, key = parent_of(content, place), place[-1]
    how = draw(some.sampled_from(["value", "value", "value", "removed", "renamed", "added"]))
    if how == "value":
        parent[key] = draw(odd_values)
    elif how == "removed":
        del parent[key]
    elif isinstance(parent, dict):
        new = draw(some.sampled_from([f"{key}x", str(key)[:-1] or "x", "type", "0", "../x"]))
        assume(new not in parent)
        parent[new] = parent.pop(key) if how == "renamed" else copy.deepcopy(parent[key])
        place = (*place[:-1], new)
    return content, place, how


@settings(max_examples=150)
@given(change=changed())
def test_a_changed_recipe_validates_or_an_error_says_where(change):
    content, place, _ = change
    try:
        check_all(check(copy.deepcopy(content), "recipe"))
    except QualityPluginError as error:
        said = str(error)
        assert any(str(key) in said for key in place) or repr(place[-1]) in said, said


@settings(max_examples=100)
@given(change=changed())
def test_a_changed_recipe_is_written_and_read_back_the_same(change):
    content, *_ = change
    assume("nan" not in repr(content) and "inf" not in repr(content))
    text = yaml.safe_dump(content, allow_unicode=True)
    try:
        again = parse(text, "text")
    except QualityPluginError as error:
        assert "stands twice" in str(error)  # 1 and '1' are one key to a reader of the file
        return
    if _plain(content):
        assert again == content


def _plain(value):
    """No text that YAML 1.1, which the dump is in, quotes by other rules than 1.2."""
    if isinstance(value, dict):
        return all(_plain(key) and _plain(entry) for key, entry in value.items())
    if isinstance(value, list):
        return all(map(_plain, value))
    return not isinstance(value, (str, float)) or (isinstance(value, str) and value.isalpha())


def test_every_recipe_is_accepted_by_schema_and_validator(editor):
    for name, content in STOCK.items():
        assert not editor(content), name
        check_all(check(copy.deepcopy(content), name))


@settings(max_examples=100)
@given(change=changed())
def test_what_the_schema_accepts_has_no_unknown_key_and_no_value_of_another_kind(editor, change):
    """An editor that marks nothing must not be followed by an error that it could have shown."""
    content, place, _ = change
    assume(_is_json(content) and not editor(content))
    options = check(copy.deepcopy(content), "recipe")
    try:
        check_all(options)
    except QualityPluginError as error:  # a rule that joins several keys, or what lies on the disk
        beyond = place[0] == "datasets" or "optim" in place[1] or "scheduler" in place[1]  # typed where they are built
        assert beyond or "has no" not in str(error), (place, str(error))


def _is_json(content):
    try:
        return json.loads(json.dumps(content, allow_nan=False)) == content
    except (TypeError, ValueError):
        return False
