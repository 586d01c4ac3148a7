"""Reading forced choices: images by path or name, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

import ir_quality_plugin as irq
from ir_quality_plugin.data.labels import LabelTable, Row
from ir_quality_plugin.data.votes import read_votes

TABLE = LabelTable(
    "set", tuple(Row(Path("/set") / name, 0.0, "a") for name in ("x/one.png", "y/one.png", "two.png")), (0, 1), True
)


def read(tmp_path, text):
    (tmp_path / "votes.csv").write_text("first,second,first_votes,second_votes\n" + text)
    return read_votes(tmp_path / "votes.csv", TABLE)


def test_images_are_found_by_as_much_of_the_path_as_is_needed(tmp_path):
    (vote,) = read(tmp_path, "x/one.png,two.png,3,1\n")
    assert (vote.first, vote.second) == (Path("/set/x/one.png"), Path("/set/two.png"))
    assert vote.share_first == 0.75


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("one.png,two.png,3,1", "line 2: 'one.png' is the name of 2 images; write more of the path"),
        ("tow.png,two.png,3,1", "the labels have no image 'tow.png'; did you mean 'two.png'"),
        ("two.png,two.png,0,0", "line 2: 0 and 0 votes; expected at least one"),
        ("two.png,two.png,many,0", "expected numbers of votes"),
        ("two.png,two.png,1", "more or fewer fields than the header"),
    ],
)
def test_what_cannot_be_a_vote_is_refused(tmp_path, line, message):
    with pytest.raises(irq.UsageError, match=message):
        read(tmp_path, line + "\n")


def test_an_image_that_is_kept_apart_is_no_unknown_one(tmp_path):
    (tmp_path / "votes.csv").write_text("first,second,first_votes,second_votes\ngone.png,two.png,3,1\n")
    table = replace(TABLE, missing=(Row(Path("/set/gone.png"), 0.0, "a"),))
    assert read_votes(tmp_path / "votes.csv", table)[0].first == Path("/set/gone.png")


def test_other_columns_are_refused(tmp_path):
    (tmp_path / "votes.csv").write_text("left,right\na,b\n")
    with pytest.raises(irq.UsageError, match=r"has no column 'first', 'second'.*it has left, right"):
        read_votes(tmp_path / "votes.csv", TABLE)
    with pytest.raises(irq.UsageError, match="cannot be read as CSV"):
        read_votes(tmp_path / "none.csv", TABLE)
