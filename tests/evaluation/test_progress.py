"""Without a terminal, a line every so often says how far a run is."""

from ir_quality_plugin.evaluation import progress


def test_lines_tell_rate_and_time_left_for_all_processes(capsys, monkeypatch):
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    said = []
    assert list(progress.followed("abcd", 4, said.append, 8, 2)) == list("abcd")
    assert [line.split(" files")[0] for line in said] == ["scoring: 2 of 8", "scoring: 4 of 8", "scoring: 6 of 8"]
    assert all("a second" in line and line.endswith("left") for line in said)
    assert not capsys.readouterr().err


def test_a_short_run_says_nothing():
    said = []
    list(progress.followed("abcd", 4, said.append))
    assert not said
