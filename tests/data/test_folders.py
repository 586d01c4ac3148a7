"""Files of several folders are paired by name, and what has no partner is listed."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir_quality_plugin import UsageError
from ir_quality_plugin.data.folders import by_image, pair_folders, patterns_of
from ir_quality_plugin.data.names import named, names_of


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
    names = names_of(stem, method)
    assert names[0] == name and names[-1] == stem


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


@pytest.mark.parametrize(
    ("named", "pairs"),
    [
        ({"lq": "a_x2.png b.png", "one": "a.png a_x2.png b.png"}, {"a_x2": "a_x2.png", "b": "b.png"}),
        (
            {"lq": "matrix3.png c.png", "one": "matrix2.png matrix3.png c.png"},
            {"matrix3": "matrix3.png", "c": "c.png"},
        ),
        ({"lq": "im_x4.png", "one": "im_x2.png im_x4.png"}, {"im_x4": "im_x4.png"}),
        ({"lq": "im_x2_SR.png", "one": "im_x2_one.png im_x4_one.png"}, {"im_x2": "im_x2_SR.png"}),
        ({"lq": "im.png im_x4.png", "one": "im_SR.png im_x4_one.png"}, {"im_x4": "im_x4.png"}),
        ({"lq": "a_one.png b.png", "one": "a_one.png b_one.png"}, {"a_one": "a_one.png", "b": "b.png"}),
    ],
)
def test_no_name_is_given_to_two_images_nor_one_image_two_names(folders, named, pairs):
    at = folders(**named)
    for restored, degraded in (("one", "lq"), ("one", "one")):
        pairing = pair_folders({"one": at[restored]}, at[degraded])
        found = {image: path.name for image, path in pairing.files["degraded"].items()}
        assert found == (pairs if degraded == "lq" else {image: p.name for image, p in pairing.files["one"].items()})


def test_an_image_whose_short_name_is_taken_says_so(folders):
    at = folders(lq="g0.png", one="g0.png g0_x4.png")
    (unpaired,) = pair_folders({"one": at["one"]}, at["lq"]).unpaired
    assert (unpaired.image, unpaired.reason) == (
        "g0_x4",
        "no file of it; g0.png and g0_x4.png of one share the name g0",
    )


STEMS = st.builds(
    lambda stem, ends: stem + "".join(ends),
    st.sampled_from(("a", "b", "matrix")),
    st.lists(st.sampled_from(("_x2", "x3", "_SR", "_one", "_two")), max_size=3),
)


@given(st.fixed_dictionaries(dict.fromkeys(("one", "two", "degraded"), st.sets(STEMS, min_size=1, max_size=6))))
def test_names_are_one_a_file_the_same_for_one_stem_and_whatever_the_order(stems):
    chains = {
        role: {stem: names_of(stem, None if role == "degraded" else role) for stem in sorted(of)}
        for role, of in stems.items()
    }
    names, _ = named(chains)
    assert {role: set(of) for role, of in names.items()} == {role: set(of) for role, of in chains.items()}
    assert all(name in chains[role][file] for role, of in names.items() for file, name in of.items())
    assert all(len(set(of.values())) == len(of) for of in names.values())
    of_stem = {}
    for of in names.values():
        for file, name in of.items():
            of_stem.setdefault(file, set()).add(name)
    assert all(len(found) == 1 for found in of_stem.values())
    turned = {role: dict(reversed(of.items())) for role, of in reversed(chains.items())}
    assert named(turned)[0] == names


def test_every_unpaired_file_is_listed_with_its_reason(folders):
    at = folders(lq="a.png b.png d.png", gt="a.png e.png", one="a.png b.png", two="a.png c.png")
    pairing = pair_folders({"one": at["one"], "two": at["two"]}, at["lq"], at["gt"])
    assert pairing.images == ("a", "b", "c")
    assert {(one.folder, one.file, one.reason) for one in pairing.unpaired} == {
        ("one", "c", "no file of it"),
        ("two", "b", "no file of it"),
        ("degraded", "c", "no file of it"),
        ("degraded", "d.png", "no method restored it"),
        ("reference", "b", "no file of it"),
        ("reference", "c", "no file of it"),
        ("reference", "e.png", "no method restored it"),
    }
    assert by_image(pairing.unpaired) == [
        {"image": "b", "reason": "no file of it", "files": {"two": None, "reference": None}},
        {"image": "c", "reason": "no file of it", "files": {"one": None, "degraded": None, "reference": None}},
        {"image": "d", "reason": "no method restored it", "files": {"degraded": "d.png"}},
        {"image": "e", "reason": "no method restored it", "files": {"reference": "e.png"}},
    ]


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
        (
            {"lq": "a.png", "one": "a.png"},
            {"one": "{image}_x9"},
            r"one: --match fits none of its 1 images, such as a\.png",
        ),
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
    entries = ["{image}_s=3", "Ours={image}_e=9", "reference=gt_{image}"]
    assert patterns_of(entries) == {"": "{image}_s=3", "Ours": "{image}_e=9", "reference": "gt_{image}"}
    with pytest.raises(UsageError, match="the folder 'Ours' has the pattern"):
        patterns_of([*entries, "Ours={image}"])
