"""Images are read ahead, shared ones once, within a budget."""

import threading

import pytest
import torch

from ir_quality_plugin import ImageError
from ir_quality_plugin.evaluation import reading
from ir_quality_plugin.evaluation.judging import Item
from ir_quality_plugin.evaluation.row_log import stamp

ROLES = ["restored", "degraded"]


@pytest.fixture
def items(tmp_path):
    return [
        Item(f"im{image}", method, {"restored": tmp_path / f"{method}{image}", "degraded": tmp_path / f"lq{image}"})
        for image in range(6)
        for method in ("one", "two")
    ]


def test_every_file_is_read_once_and_handed_out_in_order(items, monkeypatch):
    read = []
    monkeypatch.setattr(reading, "read_image", lambda path: read.append(path.name) or torch.full((3, 1, 1), len(read)))
    monkeypatch.setattr(reading, "declared_pixels", lambda path: 1)
    found = list(reading.read_ahead(items, ROLES, workers=2))
    assert [item for item, *_ in found] == items
    assert len(read) == len(set(read)) == 18
    assert all(set(images) == set(ROLES) for _, images, *_ in found)


def test_an_unreadable_file_is_handed_out_as_its_error(items, monkeypatch):
    def broken(path):
        raise ImageError(f"{path.name} is damaged")

    monkeypatch.setattr(reading, "read_image", broken)
    (_, images, *_), *_ = reading.read_ahead(items, ROLES, workers=1)
    assert str(images["restored"]) == "one0 is damaged"


def test_large_images_are_not_read_ahead_beyond_the_budget(items, monkeypatch):
    started, lock = [], threading.Lock()

    def read(path):
        with lock:
            started.append(path.name)
        return torch.zeros(3, 1, 1)

    monkeypatch.setattr(reading, "read_image", read)
    monkeypatch.setattr(reading, "declared_pixels", lambda path: reading.BUDGET_PIXELS)
    for handed, _ in enumerate(reading.read_ahead(items, ["restored"], workers=4), start=1):
        assert len(started) <= handed + 1


def test_a_file_that_is_replaced_while_it_is_read_keeps_the_stamp_of_the_one_that_was_read(items, monkeypatch):
    path = items[0].files["restored"]
    path.write_text("old")

    def read(path):
        path.write_text("replaced")
        return torch.zeros(3, 1, 1)

    monkeypatch.setattr(reading, "read_image", read)
    (_, _, stamped, _), *_ = reading.read_ahead(items[:1], ["restored"], workers=1)
    assert stamped[0][-1][0] == len("old")
    assert stamped != stamp(items[0], ["restored"])


def test_thumbnails_are_made_by_the_readers_of_the_images_that_were_asked_for(items, monkeypatch):
    made = []

    def small(pixels):
        made.append(threading.current_thread().name)
        return f"picture {len(made)}"

    monkeypatch.setattr(reading, "read_image", lambda path: torch.zeros(3, 1, 1))
    monkeypatch.setattr(reading, "thumbnail", small)
    found = list(reading.read_ahead(items, ROLES, workers=2, pictured={"im1", "im4"}))
    assert [one.item.image for one in found if one.picture] == ["im1", "im1", "im4", "im4"]
    assert len(made) == 4
    assert all(name.startswith("read") for name in made)


def test_a_restored_file_that_was_read_as_the_degraded_input_of_another_method_has_its_thumbnail(items, monkeypatch):
    first, second = items[:2]
    shared = Item("im0", "two", {**second.files, "restored": first.files["degraded"]})
    read = []
    monkeypatch.setattr(reading, "read_image", lambda path: read.append(path) or torch.zeros(3, 1, 1))
    found = list(reading.read_ahead([first, shared], ROLES, workers=1, pictured={"im0"}))
    assert all(one.picture for one in found)
    assert len(read) == len(set(read)) == 2
