"""Files of several folders are paired by name, and what has no partner is listed."""

import unicodedata

import pytest

from ir_quality_plugin import UsageError
from ir_quality_plugin.data.folders import image_name, pair_folders, patterns_of


@pytest.fixture
def folders(tmp_path):
    """Make folders of empty files: folders(lq="a.png b.png") gives their paths by name."""

    def make(**named):
        for name, files in named.items():
            (tmp_path / name).mkdir()
            for file in files.split():
                (tmp_path / name / file).touch()
        return {name: tmp_path / name for name in named}

    return make


@pytest.mark.parametrize(
    ("stem", "method", "name"),
    [
        ("baboon", None, "baboon"),
        ("baboonx4", None, "baboon"),
        ("baboon_x4", None, "baboon"),
        ("baboon_X8", None, "baboon"),
        ("baboon_out", None, "baboon"),
        ("baboon_x4_SR", None, "baboon"),
        ("baboon_BSRGAN", "bsrgan", "baboon"),
        ("baboon_BSRGAN_x4", "BSRGAN", "baboon"),
        ("baboon_BSRGAN", "ESRGAN", "baboon_BSRGAN"),
        ("0801x4m", None, "0801x4m"),
        ("x4", None, "x4"),
        ("_out", None, "_out"),
        ("without", None, "without"),
    ],
)
def test_the_suffixes_of_the_field_are_no_part_of_a_name(stem, method, name):
    assert image_name(stem, method) == name


def test_methods_inputs_and_references_are_paired_whatever_the_suffix_and_order(folders):
    at = folders(lq="ax4.png bx4.png", gt="b.jpg a.png", one="a_one.png b_one.png", two="b_x4_out.webp a_x4_out.webp")
    pairing = pair_folders({"one": at["one"], "two": at["two"]}, at["lq"], at["gt"])
    assert pairing.images == ("a", "b")
    assert pairing.methods == ("one", "two")
    assert pairing.unpaired == ()
    of_b = {role: files["b"].name for role, files in pairing.files.items()}
    assert of_b == {"one": "b_one.png", "two": "b_x4_out.webp", "degraded": "bx4.png", "reference": "b.jpg"}


def test_no_folder_that_is_added_renames_an_image(folders):
    at = folders(lq="a.png bx4.png", gt="a_GT.png b_GT.png", one="a_x4.png b_x4_one.png", two="a_x4_out.png b.png")
    names = {
        pair_folders({"one": at["one"]}).images,
        pair_folders({"one": at["one"]}, at["lq"]).images,
        pair_folders({"one": at["one"], "two": at["two"]}, reference=at["gt"]).images,
        pair_folders({"two": at["two"], "one": at["one"]}, at["lq"], at["gt"]).images,
    }
    assert names == {("a", "b")}


def test_names_that_differ_only_by_a_suffix_within_a_folder_keep_it(folders):
    at = folders(lq="im_x2.png im_x4.png", one="im_x2.png im_x4.png")
    pairing = pair_folders({"one": at["one"]}, at["lq"])
    assert pairing.images == ("im_x2", "im_x4")
    assert pairing.files["degraded"]["im_x4"].name == "im_x4.png"
    assert not pairing.unpaired


def test_every_unpaired_file_is_listed_with_its_reason(folders):
    at = folders(lq="a.png b.png d.png", gt="a.png e.png", one="a.png b.png", two="a.png c.png")
    pairing = pair_folders({"one": at["one"], "two": at["two"]}, at["lq"], at["gt"])
    assert pairing.images == ("a", "b", "c")
    assert {(one.folder, one.file, one.reason) for one in pairing.unpaired} == {
        ("one", "c", "this method has no file of it"),
        ("two", "b", "this method has no file of it"),
        ("degraded", "c", "there is no degraded file of it"),
        ("degraded", "d.png", "no method restored it"),
        ("reference", "b", "there is no reference file of it"),
        ("reference", "c", "there is no reference file of it"),
        ("reference", "e.png", "no method restored it"),
    }


def test_a_pattern_takes_the_rules_place_for_one_folder_or_all(folders):
    at = folders(lq="a-small.png b-small.png", one="net7_a_final.png net7_b_final.png odd.png")
    pairing = pair_folders(
        {"one": at["one"]}, at["lq"], match={"one": "net*_{image}_final", "degraded": "{image}-small"}
    )
    assert [pairing.files["one"][image].name for image in pairing.images] == ["net7_a_final.png", "net7_b_final.png"]
    assert [(one.file, one.reason) for one in pairing.unpaired] == [("odd.png", "its name does not fit --match")]
    pairing = pair_folders({"one": at["lq"]}, at["lq"], match={"": "{image}-*"})
    assert pairing.files["one"] == pairing.files["degraded"] and not pairing.unpaired


def test_composed_and_decomposed_letters_are_one_name(tmp_path):
    for folder, form in (("lq", "NFC"), ("one", "NFD")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / unicodedata.normalize(form, "café.png")).touch()
    assert not pair_folders({"one": tmp_path / "one"}, tmp_path / "lq").unpaired


@pytest.mark.parametrize(
    ("named", "match", "message"),
    [
        ({"lq": "a.png", "one": "b.png"}, {}, r"degraded: none of its 1 images has a partner.*--match degraded="),
        ({"lq": "a.png", "one": "a.png a.jpg"}, {}, r"one: a\.jpg and a\.png are both of the image 'a'"),
        ({"lq": "a.png", "one": "a.png"}, {"": "x4"}, r"expected \{image\} once"),
        ({"lq": "a.png", "one": "a.png"}, {"two": "{image}"}, "no folder is named 'two'"),
        ({"lq": "a.png", "one": "notes.txt"}, {}, "holds no image"),
    ],
)
def test_what_cannot_be_paired_is_said(folders, named, match, message):
    at = folders(**named)
    with pytest.raises(UsageError, match=message):
        pair_folders({"one": at["one"]}, at["lq"], match=match)


def test_a_folder_that_is_not_there_is_named(folders, tmp_path):
    at = folders(one="a.png")
    with pytest.raises(UsageError, match=r"reference: .*nowhere is nothing; expected a folder"):
        pair_folders(at, reference=tmp_path / "nowhere")


def test_a_method_that_shares_nothing_with_the_others_is_refused(folders):
    at = folders(one="a.png", two="b.png")
    with pytest.raises(UsageError, match=r"one: none of its 1 images has a partner"):
        pair_folders(at)


def test_a_pattern_may_hold_the_sign_that_parts_it_from_a_name():
    given = ["{image}_s=3", "Ours={image}_e=9", "reference=gt_{image}"]
    assert patterns_of(given) == {"": "{image}_s=3", "Ours": "{image}_e=9", "reference": "gt_{image}"}
    with pytest.raises(UsageError, match="the folder 'Ours' has the pattern"):
        patterns_of([*given, "Ours={image}"])
