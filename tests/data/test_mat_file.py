"""MATLAB's files: the values that scipy reads of sound ones, and an error for every other one, never a crash."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.io import loadmat, savemat

import ir_quality_plugin as irq
from ir_quality_plugin.data.mat_file import read_numbers, read_texts

NAMES = ["bikes.bmp", "Überschärfe.bmp", "a", "画像.png"]


def cells(texts):
    column = np.empty((len(texts), 1), dtype=object)
    column[:, 0] = texts
    return column


def saved(path, packed=False, **arrays):
    savemat(path, arrays, do_compression=packed, oned_as="column")
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "u1", "i8", "u4", bool])
def test_numbers_are_those_of_scipy(dtype, packed, tmp_path):
    values = (100 * np.random.default_rng(0).random((1, 982))).astype(dtype)
    path = saved(tmp_path / "dmos.mat", packed, other=np.ones((300, 300)), dmos=values, orgs=values > 50)
    found, expected = read_numbers(path, "dmos", "orgs"), loadmat(path)
    assert found["dmos"] == expected["dmos"].ravel().tolist()
    assert found["orgs"] == expected["orgs"].ravel().tolist()


@pytest.mark.parametrize("packed", [False, True])
def test_texts_are_those_that_were_written(packed, tmp_path):
    assert read_texts(saved(tmp_path / "names.mat", packed, names=cells(NAMES)), "names") == NAMES


def test_the_order_of_bytes_is_the_files(tmp_path):
    """As a SPARC of the days of LIVE wrote them."""

    def element(kind, content):
        return struct.pack(">II", kind, len(content)) + content + bytes(-len(content) % 8)

    sizes, name = element(5, struct.pack(">ii", 1, 2)), struct.pack(">HH4s", 4, 1, b"dmos")
    array = element(6, struct.pack(">II", 6, 0)) + sizes + name + element(9, struct.pack(">2d", 1.5, -2))
    path = tmp_path / "dmos.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(">H2s", 0x100, b"MI") + element(14, array))
    assert read_numbers(path, "dmos") == {"dmos": [1.5, -2]} == {"dmos": loadmat(path)["dmos"].ravel().tolist()}


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"dmos": np.array([1 + 2j])}, "complex"),
        ({"dmos": "a text"}, "no plain numbers"),
        ({"dmos": {"mos": 1.0}}, "no plain numbers"),
        ({"dmos": cells(["1", "2"])}, "no plain numbers"),
        ({"other": np.ones(2)}, "has none of dmos; expected the set"),
    ],
)
def test_arrays_of_another_kind_are_refused(arrays, reason, tmp_path):
    with pytest.raises(irq.UsageError, match=reason):
        read_numbers(saved(tmp_path / "dmos.mat", **arrays), "dmos")


@pytest.mark.parametrize("names", [np.ones(3), cells([np.ones(2), "a"]), cells([cells(["a"])])])
def test_cells_without_texts_are_refused(names, tmp_path):
    with pytest.raises(irq.UsageError, match=r"no text|no cell array"):
        read_texts(saved(tmp_path / "names.mat", names=names), "names")


def test_other_versions_say_how_to_go_on(tmp_path):
    savemat(tmp_path / "old.mat", {"dmos": np.ones(3)}, format="4")
    (tmp_path / "new.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + b"\x89HDF\r\n\x1a\n" * 9)
    for name in ("old", "new"):
        with pytest.raises(irq.UsageError, match=r"level 5|version 0x200.*-v7"):
            read_numbers(tmp_path / f"{name}.mat", "dmos")


@given(place=some.floats(0, 1, exclude_max=True), what=some.sampled_from(["byte", "cut", "ones", "zeros", "twice"]))
@pytest.mark.parametrize("packed", [False, True])
def test_whatever_is_damaged_ends_in_values_or_an_error(tmp_path_factory, packed, place, what):
    path = tmp_path_factory.getbasetemp() / "damaged.mat"
    saved(path, packed, names=cells(NAMES * 20), dmos=np.linspace(0, 1, 80))
    content = path.read_bytes()
    start = int(place * len(content))
    end = start + {"byte": 1, "cut": len(content), "ones": 4, "zeros": 8, "twice": 0}[what]
    middle = {"byte": b"\x80", "cut": b"", "ones": b"\xff" * 4, "zeros": bytes(8), "twice": content[start : start + 40]}
    path.write_bytes(content[:start] + middle[what] + content[end:])
    for read in (lambda: read_texts(path, "names"), lambda: read_numbers(path, "dmos")["dmos"]):
        try:
            assert len(read()) < 1000
        except irq.UsageError as error:
            assert str(path) in str(error)
