"""Option files that were made to hurt: objects by tag, aliases that grow, names that lead elsewhere."""

import sys
import time

import pytest

from ir_quality_plugin.data.yaml12 import MOST_BYTES, parse
from ir_quality_plugin.engine.options import read_options
from ir_quality_plugin.errors import UsageError


def laughs(of, join, levels=9, width=9):
    lines = [f"a0: &a0 {of}"]
    lines += [f"a{n}: &a{n} {join([f'*a{n - 1}'] * width)}" for n in range(1, levels + 1)]
    return "\n".join([*lines, f"name: *a{levels}"])


GROWING = {
    "lists": laughs("[lol]", lambda parts: f"[{', '.join(parts)}]"),
    "mappings": laughs("{k: lol}", lambda parts: "{" + ", ".join(f"k{i}: {p}" for i, p in enumerate(parts)) + "}"),
    "merges": laughs("{k: lol}", lambda parts: f"{{<<: [{', '.join(parts)}]}}"),
    "itself": "name: &a [*a]",
    "itself in a mapping": "a: &a {b: *a}",
    "itself merged": "a: &a {<<: *a}",
}


@pytest.mark.parametrize("text", GROWING.values(), ids=GROWING)
def test_aliases_that_grow_are_refused_at_once(tmp_path, text):
    (tmp_path / "a.yml").write_text(text)
    began = time.perf_counter()
    with pytest.raises(UsageError, match=r"a\.yml: it unfolds into more than 20000 values"):
        read_options(tmp_path / "a.yml")
    assert time.perf_counter() - began < 1


def test_aliases_that_do_not_grow_are_read():
    assert parse("a: &a {b: 1}\nc: {<<: *a, d: *a}", "text") == {"a": {"b": 1}, "c": {"b": 1, "d": {"b": 1}}}


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['touch TRACE']",
        "!!python/object/new:os.system ['touch TRACE']",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!python/object/apply:subprocess.Popen [['touch', 'TRACE']]",
        "!!python/tuple [1]",
        "!<tag:yaml.org,2002:python/object/apply:os.system> ['touch TRACE']",
    ],
)
@pytest.mark.parametrize("place", ["name: {}", "train: {{quality_opt: {{scorer: {}}}}}", "{}: 1", "? {}\n: 1"])
def test_a_tag_builds_no_object(tmp_path, trace, value, place):
    (tmp_path / "a.yml").write_text(place.format(value.replace("TRACE", str(trace))))
    with pytest.raises(UsageError, match=r"cannot be read as YAML|stands as a key"):
        read_options(tmp_path / "a.yml")


@pytest.mark.parametrize(
    "value",
    [
        "!!timestamp x", "!!timestamp 2020-01-01", "!!map [1]", "!!set [x]", "!!set {x}", "!!bool maybe", '!!float ""',
        '!!int ""', "!!int x", "!!omap [a: 1]", "!!pairs [a: 1]", "!!binary aGk=", "!!str [1]", "!!seq {a: 1}",
        "!!null [1]", "!own 1", "!!merge x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["a: {}", "[{}]", "{}: 1", "{}"])
def test_a_tag_that_does_not_fit_is_our_error(value, place):
    try:
        found = parse(place.format(value), "text")
    except UsageError as error:
        assert "text" in str(error)
    else:
        assert value in ("!!null [1]",), found


@pytest.mark.parametrize(
    ("text", "expected"),
    [("!!int 3", 3), ("!!str 3", "3"), ("!!float 3", 3.0), ("!!bool true", True), ("!!seq [1]", [1]), ("!!map {}", {})],
)
def test_tags_of_plain_values_are_read(text, expected):
    assert parse(f"a: {text}", "text") == {"a": expected}


@pytest.mark.parametrize(
    "text", ["9" * 5000, "a: " + "1" * 5000, "0x" + "f" * 9000, "[" * 5000, "{a: " * 3000, "[a]: 1", "? {a: b}\n: 1"]
)
def test_other_ways_to_hurt_are_our_errors(text):
    with pytest.raises(UsageError):
        content = parse(text, "text")
        assert not isinstance(content, dict), content


def test_a_file_far_longer_than_any_option_file_is_not_parsed():
    with pytest.raises(UsageError, match="characters long; expected an option file"):
        parse("a: 1\n" * MOST_BYTES, "text")


@pytest.mark.parametrize("key", ["name", "datasets"])
@pytest.mark.parametrize("value", ["..", ".", "../up", "/absolute", "a/b", "a\\b", "nul\0", ".hidden", "line\nfeed"])
def test_a_name_that_would_be_a_folder_elsewhere_is_refused(monkeypatch, tmp_path, key, value):
    pytest.importorskip("basicsr")
    from engine_runs import SMOKE

    from ir_quality_plugin.engine.options import check
    from ir_quality_plugin.integrations.basicsr_options import check_options

    content = parse((SMOKE / "sr_x4_l1.yml").read_text(), "recipe")
    if key == "name":
        content["name"] = value
    else:
        content["datasets"][value] = content["datasets"].pop("val")
    with pytest.raises(UsageError, match="pattern"):
        check(content, "recipe")
    with pytest.raises(UsageError, match="becomes a folder"):
        check_options(content)


def test_the_command_line_of_basicsrs_trainer_reads_the_same_yaml(monkeypatch, tmp_path, capsys):
    pytest.importorskip("basicsr")
    from ir_quality_plugin.integrations import basicsr_trainer

    (tmp_path / "a.yml").write_text(GROWING["lists"])
    monkeypatch.setattr(sys, "argv", ["basicsr", "-opt", str(tmp_path / "a.yml")])
    with pytest.raises(SystemExit) as stop:
        basicsr_trainer.train(tmp_path)
    assert stop.value.code == 2
    assert "it unfolds into more than" in capsys.readouterr().err
