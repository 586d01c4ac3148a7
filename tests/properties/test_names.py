"""Pairing by name: order, further folders and suffixes change nothing that they do not concern."""

from hypothesis import assume, given
from hypothesis import strategies as some

from ir_quality_plugin.data.folders import pair_folders
from ir_quality_plugin.data.names import named, names_of
from ir_quality_plugin.errors import UsageError

letters = some.text("abc12_-", min_size=1, max_size=6)
stems = some.one_of(
    letters, some.sampled_from(["a_x2", "a_x4", "ax4", "b_out", "b_SR", "photo", "photo2", "x4", "_gt"])
)
folders = some.lists(stems, min_size=1, max_size=6, unique_by=str.lower)


def chains(stems, method=None):
    return {f"{stem}.png": names_of(stem, method) for stem in stems}


@given(one=folders)
def test_a_folder_of_the_same_files_renames_nothing(one):
    alone, _ = named({"one": chains(one)})
    both, _ = named({"one": chains(one), "same": chains(one)})
    assert both["one"] == both["same"] == alone["one"]


@given(clean=folders, suffix=some.sampled_from(["_x4", "x4", "_out", "_SR", "-restored", ""]))
def test_a_suffix_of_the_field_on_all_files_pairs_them_with_the_clean_ones(tmp_path_factory, clean, suffix):
    assume(all(names_of(stem) == [stem] for stem in clean))  # no suffix of their own,
    assume(all(names_of(f"{stem}{suffix}")[0] == stem for stem in clean))  # and none by what is put together
    root = tmp_path_factory.mktemp("folders")
    for folder, end in (("method", suffix), ("reference", "")):
        (root / folder).mkdir()
        for stem in clean:
            (root / folder / f"{stem}{end}.png").write_bytes(b"any")
    pairing = pair_folders({"method": root / "method"}, reference=root / "reference")
    assert pairing.images == tuple(sorted(clean)) and pairing.unpaired == ()


@given(one=folders, other=folders, pattern=some.sampled_from([None, "{image}", "{image}*", "*{image}", "{image}_x4"]))
def test_every_file_is_paired_or_said_to_be_unpaired(tmp_path_factory, one, other, pattern):
    root = tmp_path_factory.mktemp("folders")
    for folder, stems_of in (("one", one), ("two", other)):
        (root / folder).mkdir()
        for stem in stems_of:
            (root / folder / f"{stem}.png").write_bytes(b"any")
    match = {} if pattern is None else {"one": pattern}
    try:
        pairing = pair_folders({"one": root / "one", "two": root / "two"}, match=match)
    except UsageError:
        return
    paired = {path for files in pairing.files.values() for path in files.values()}
    named_unpaired = {root / entry.folder / entry.file for entry in pairing.unpaired if not entry.lacking}
    assert paired | named_unpaired == {path for folder in ("one", "two") for path in (root / folder).iterdir()}
