"""Small pictures for the page: as many as it lists, whatever methods come and go."""

import pytest
from evaluation_folders import METHODS, write_folders

from ir_quality_plugin.data.folders import pair_folders
from ir_quality_plugin.evaluation import run
from ir_quality_plugin.evaluation.run import Plan, evaluate


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return write_folders(tmp_path_factory.mktemp("folders"))


def plan_of(folders, methods):
    pairing = pair_folders({name: folders / name for name in methods}, folders / "degraded", None, {})
    return Plan(pairing, ("ckdn-s",), ())


def evaluated(plan, out):
    with evaluate(plan, out, device="cpu") as found:
        return found


def test_a_method_that_is_dropped_takes_no_thumbnail_with_it(folders, tmp_path):
    both = evaluated(plan_of(folders, METHODS), tmp_path)
    one = evaluated(plan_of(folders, METHODS[1:]), tmp_path)
    assert one.scored_now == 0
    assert len(both.thumbnails) == len(one.thumbnails) == 6
    assert all(both.thumbnails[image] != one.thumbnails[image] for image in one.thumbnails)  # each of a method shown


def test_thumbnails_are_those_of_the_first_method_in_whatever_order_files_were_scored(folders, tmp_path):
    expected = evaluated(plan_of(folders, METHODS), tmp_path / "once").thumbnails
    evaluated(plan_of(folders, METHODS[1:]), tmp_path / "twice")
    assert evaluated(plan_of(folders, METHODS), tmp_path / "twice").thumbnails == expected


def test_memory_holds_no_more_thumbnails_than_the_page_lists(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "LISTED_IMAGES", 2)
    plan = plan_of(folders, METHODS)
    assert set(evaluated(plan, tmp_path).thumbnails) == set(plan.pairing.images[:2])
    log = "".join(path.read_text() for path in (tmp_path / "rows").glob("*.jsonl"))
    assert log.count("data:image/webp") == 2 * len(METHODS)  # and the log none that will not be shown


def test_a_method_that_is_also_the_degraded_input_has_thumbnails_too(folders, tmp_path):
    methods = {"sharp": folders / "sharp", "none": folders / "degraded"}
    plan = Plan(pair_folders(methods, folders / "degraded", None, {}), ("ckdn-s",), ())
    assert len(evaluated(plan, tmp_path).thumbnails) == 6
    log = "".join(path.read_text() for path in (tmp_path / "rows").glob("*.jsonl"))
    assert log.count("data:image/webp") == 2 * 6
