"""A folder of results belongs to one command, and to one run at a time, and a kill frees it."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
from full_disk import files_up_to, followed_to_the_disk

from ir_quality_plugin import CheckpointError, ImageError, UsageError
from ir_quality_plugin.data.results_folder import OUTPUTS, held, taking_their_place
from ir_quality_plugin.files import whole

HOLDS = """
import sys, time
from pathlib import Path
from ir_quality_plugin.data.results_folder import held
with held(Path(sys.argv[1]), "evaluate"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_refused_and_a_killed_one_holds_nothing(tmp_path):
    first = subprocess.Popen([sys.executable, "-c", HOLDS, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another run is writing there"), held(tmp_path, "evaluate"):
            pass
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    with held(tmp_path, "evaluate"):
        pass


def test_another_commands_results_are_not_written_over(tmp_path):
    with held(tmp_path / "out", "benchmark"):
        pass
    message = "holds results of irq benchmark; expected a new folder"
    with pytest.raises(UsageError, match=message), held(tmp_path / "out", "evaluate"):
        pass
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(UsageError, match=r"something else \(a summary.json\)"), held(tmp_path, "benchmark"):
        pass


def test_results_of_other_options_are_not_written_over(tmp_path):
    with held(tmp_path, "probe", {"seed": 0, "scorer": ["ckdn-s"]}):
        pass
    with held(tmp_path, "probe", {"seed": 1, "scorer": ["ckdn-s"]}):  # the first wrote nothing
        (tmp_path / "summary.json").write_text("{}")
    with held(tmp_path, "probe", {"seed": 1, "scorer": ("ckdn-s",)}):
        pass
    message = r"holds results of other options \(seed was 1 and is 2\)"
    with pytest.raises(UsageError, match=message), held(tmp_path, "probe", {"seed": 2, "scorer": ["ckdn-s"]}):
        pass
    for damaged in ("{", "{}", "[]"):
        (tmp_path / ".irq").write_text(damaged)
        with pytest.raises(UsageError, match="is damaged"), held(tmp_path, "probe"):
            pass


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    (tmp_path / ".summary.json.abc.unfinished").touch()
    with held(tmp_path, "probe"):
        assert not list(tmp_path.glob("*.unfinished"))


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(UsageError, match="it is a file; expected a folder"), held(tmp_path / "out", "probe"):
        pass


def test_results_take_their_places_once_all_are_whole_and_the_earlier_ones_stand_until_then(tmp_path):
    def write(text, names=OUTPUTS):
        with taking_their_place(tmp_path) as place:
            for name in names:
                with whole(place / name) as unfinished:
                    unfinished.write_text(text)
                yield name

    def there():
        return [(tmp_path / name).read_text() for name in OUTPUTS if (tmp_path / name).exists()]

    first = write("first", OUTPUTS[:2])
    assert next(first) and there() == ["first"]  # without earlier ones each appears as it comes
    assert list(first) and there() == ["first"] * 2
    for thrown in (SystemExit, CheckpointError, KeyboardInterrupt):
        second = write("second")
        assert [next(second), next(second), there()] == [*OUTPUTS[:2], ["first"] * 2]
        with pytest.raises(thrown):
            second.throw(thrown)
        assert there() == ["first"] * 2 and len(list(tmp_path.iterdir())) == 2
    assert list(write("third")) and there() == ["third"] * 3
    assert list(write("fourth", OUTPUTS[:1])) and there() == ["fourth"]
    refused = write("fifth", OUTPUTS[:1])
    next(refused)
    with pytest.raises(ImageError):  # nothing could be judged: the table has the reasons
        refused.throw(ImageError)
    assert there() == ["fifth"]


def test_an_error_of_writing_names_the_place_and_what_stood_there_stands(tmp_path):
    (tmp_path / "summary.json").write_text("former")
    message = re.escape(f"cannot write {tmp_path / 'summary.json'} (")
    with (
        files_up_to(10),
        pytest.raises(CheckpointError, match=message + ".*what stood there before is untouched"),
        taking_their_place(tmp_path) as place,
        whole(place / "summary.json") as unfinished,
    ):
        unfinished.write_text("new" * 1000)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["former"]


def test_whose_folder_it_is_is_written_to_the_disk_and_only_where_it_differs(tmp_path, monkeypatch):
    events, _ = followed_to_the_disk(monkeypatch)
    for options, times in (({"seed": 0}, 1), ({"seed": 0}, 1), ({"seed": 1}, 2)):
        with held(tmp_path, "probe", options):
            pass
        assert sum(kind == "named" for kind, _ in events) == times
    first, second, third = events[:3]
    assert (first[0], second[0], third) == ("synced", "named", ("synced", str(tmp_path)))


def test_a_lost_or_damaged_owner_is_written_anew_where_something_else_shows_whose_folder_it_is(tmp_path):
    (tmp_path / "scores.csv").touch()
    for damage in (lambda path: path.write_text(""), lambda path: path.unlink()):
        with held(tmp_path, "evaluate", known=lambda: True):
            pass
        damage(tmp_path / ".irq")
        with pytest.raises(UsageError), held(tmp_path, "evaluate"):
            pass
        said = []
        with held(tmp_path, "evaluate", known=lambda: True, say=said.append):
            assert json.loads((tmp_path / ".irq").read_text())["command"] == "evaluate"
        assert len(said) == 1 and "is written anew" in said[0]


def test_a_folder_whose_rows_or_pictures_are_somebody_elses_is_refused(tmp_path):
    for command, folder in (("evaluate", "rows"), ("probe", "pictures")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / ".0001-0000.unfinished").write_text("mine")
        with pytest.raises(UsageError, match=f"something else .a {folder}."), held(tmp_path, command):
            pass
        assert (tmp_path / folder / ".0001-0000.unfinished").read_text() == "mine"


def test_a_file_of_the_owners_name_that_is_none_of_ours_is_kept(tmp_path):
    (tmp_path / ".irq").write_text("mine")
    with pytest.raises(UsageError, match=r"\.irq is damaged.*or move \.irq elsewhere"), held(tmp_path, "evaluate"):
        pass
    assert (tmp_path / ".irq").read_text() == "mine"


def test_what_looks_half_written_in_a_folder_of_another_command_is_kept(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / ".mine.unfinished").touch()
    with held(tmp_path, "evaluate"):
        assert (tmp_path / "pictures" / ".mine.unfinished").exists()
