"""The log keeps complete rows whatever cut the run off, and refuses another run's."""

import json
from datetime import date
from types import SimpleNamespace

import pytest

from ir_quality_plugin import CheckpointError, UsageError
from ir_quality_plugin.evaluation import row_log
from ir_quality_plugin.evaluation.row_log import RowLog


@pytest.fixture
def log(tmp_path):
    log = RowLog(tmp_path / "rows", {"metrics": {"ssim": {}}, "scale": None})
    log.prepare(restart=False)
    return log


def test_rows_come_back_in_the_order_of_sessions(log):
    for session in (1, 2):
        assert log.next_session() == session
        with log.writer(session, 0) as rows:
            rows.add({"image": "a", "session": session})
    assert [row["session"] for row in log.read()] == [1, 2]


def test_a_line_that_was_cut_off_is_no_row_at_any_length(log):
    with log.writer(1, 0) as rows:
        rows.add({"image": "a", "score": 1.5})
        rows.add({"image": "b", "score": 12})
    (path,) = log.folder.glob("*.jsonl")
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(first, len(whole)):
        path.write_bytes(whole[:length])
        assert [row["image"] for row in log.read()] == ["a"], whole[:length]


def test_other_options_are_refused_by_name_and_a_restart_begins_anew(log):
    with log.writer(1, 0) as rows:
        rows.add({"image": "a"})
    other = RowLog(log.folder, {"metrics": {"ssim": {}}, "scale": 4})
    with pytest.raises(UsageError, match=r"other options: scale was None and is 4.*--out.*--restart"):
        other.prepare(restart=False)
    assert list(log.read())
    other.prepare(restart=True)
    assert list(other.read()) == []
    assert json.loads(other.header.read_text())["scale"] == 4


def test_a_restart_that_was_killed_half_way_leaves_no_row_of_other_options(log):
    with log.writer(1, 0) as rows:
        rows.add({"image": "a"})
    log.header.unlink()  # a kill between the header and the rows
    other = RowLog(log.folder, {"metrics": {"ssim": {}}, "scale": 4})
    other.prepare(restart=False)
    assert list(other.read()) == []


def test_a_damaged_header_says_how_to_go_on(log):
    log.header.write_text("{")
    with pytest.raises(CheckpointError, match=r"run\.json is damaged.*--restart"):
        log.prepare(restart=False)


def test_a_line_with_a_damaged_byte_is_no_row_and_harms_no_other(log):
    with log.writer(1, 0) as rows:
        for image in "abc":
            rows.add({"image": image, "scores": {"m": 0.125}})
    (path,) = log.folder.glob("*.jsonl")
    whole = path.read_bytes()
    for place in range(whole.index(b"\n") + 1, whole.rindex(b"\n", 0, -1)):
        for byte in (0xFF, ord("7"), ord("}")):
            damaged = whole[:place] + bytes([byte]) + whole[place + 1 :]
            path.write_bytes(damaged)
            found = [(row["image"], row["scores"]) for row in log.read()]
            assert found == [(image, {"m": 0.125}) for image in ("abc" if damaged == whole else "ac")]


def test_what_is_sound_json_and_no_row_of_ours_is_passed_over(log):
    (log.folder / "0001-0000.jsonl").write_text('{"image": "a"}\n[]\n\n{}\n')
    assert list(log.read()) == []


def test_the_day_of_the_beginning_is_kept_until_a_restart(log, monkeypatch):
    first = log.began()
    monkeypatch.setattr(row_log, "date", SimpleNamespace(today=lambda: date(2099, 1, 2)))
    log.prepare(restart=False)
    assert log.began() == first == date.today().isoformat()
    log.prepare(restart=True)
    assert log.began() == "2099-01-02"


def test_a_header_that_is_no_mapping_says_how_to_go_on(log):
    log.header.write_text("[1]")
    with pytest.raises(CheckpointError, match=r"run\.json is damaged.*--restart"):
        log.prepare(restart=False)


def test_what_others_put_beside_the_rows_is_never_removed_nor_read(log):
    (log.folder / "mine.jsonl").write_text("{}")
    (log.folder / "1-notes.jsonl").write_text("{}")
    log.prepare(restart=True)
    log.header.unlink()
    log.prepare(restart=False)
    assert (list(log.read()), log.next_session()) == ([], 1)
    assert {path.name for path in log.folder.iterdir()} == {"mine.jsonl", "1-notes.jsonl", "run.json"}


def test_a_log_is_known_as_ours_by_its_header_alone(log):
    assert log.is_sound()
    for damaged in ("{", "[1]", "{}"):
        log.header.write_text(damaged)
        assert not log.is_sound()
    log.header.unlink()
    assert not log.is_sound()
