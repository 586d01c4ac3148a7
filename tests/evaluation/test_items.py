"""The files of a run, put together one by one: in order, as often as asked, shared out by whole images."""

from pathlib import Path

from ir_quality_plugin.data.folders import FolderFiles, Pairing
from ir_quality_plugin.evaluation.items import Items


def pairing():
    names = {image: f"{image}_x4.png" for image in ("a", "b", "c", "d")}
    files = {
        "one": FolderFiles(Path("/one"), names),
        "two": FolderFiles(Path("/two"), {image: names[image] for image in ("a", "c", "d")}),
        "degraded": FolderFiles(Path("/lq"), {"a": "a.png", "b": "b.png"}),
    }
    return Pairing(tuple(names), ("one", "two"), files, ())


def test_items_stand_image_by_image_with_the_partners_that_are_there():
    items = Items(pairing())
    assert [(item.image, item.method) for item in items] == [
        ("a", "one"), ("a", "two"), ("b", "one"), ("c", "one"), ("c", "two"), ("d", "one"), ("d", "two"),
    ]  # fmt: skip
    assert len(items) == 7 and [item.image for item in items] == [item.image for item in items]
    assert items.at(0, 1).files == {"restored": Path("/two/a_x4.png"), "degraded": Path("/lq/a.png")}
    assert set(items.at(3, 0).files) == {"restored"}
    assert items.at(0, 0).places["restored"].startswith("one (") and items.at(0, 0).places["degraded"].startswith(
        "lq ("
    )


def test_only_what_is_there_has_a_place():
    items = Items(pairing())
    assert items.where("c", "two") == (2, 1)
    assert items.where("b", "two") is None and items.where("z", "one") is None and items.where("a", "three") is None


def test_processes_share_whole_images_and_leave_none():
    items = Items(pairing())
    shares = [[(item.image, item.method) for item in items.share(process, 3)] for process in range(3)]
    assert sorted(place for share in shares for place in share) == sorted((item.image, item.method) for item in items)
    assert [{image for image, _ in share} for share in shares] == [{"a", "d"}, {"b"}, {"c"}]


def test_paths_are_put_together_when_they_are_asked_for():
    files = FolderFiles(Path("/one"), {"a": "a.png"})
    assert dict(files) == {"a": Path("/one/a.png")} and files.get("b") is None and "a" in files and len(files) == 1
