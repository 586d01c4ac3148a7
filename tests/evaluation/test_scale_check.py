"""A scale that no file has is refused by the files' headers; what cannot be read says nothing."""

import pytest
from PIL import Image

from ir_quality_plugin import UsageError
from ir_quality_plugin.data.folders import pair_folders
from ir_quality_plugin.evaluation.scale_check import check_scale


def pairing(root, restored, degraded=(16, 24)):
    for name, sizes in (("one", restored), ("lq", [degraded] * len(restored))):
        (root / name).mkdir()
        for index, (height, width) in enumerate(sizes):
            Image.new("RGB", (width, height)).save(root / name / f"im_{index}.png")
    return pair_folders({"one": root / "one"}, root / "lq")


def test_one_file_that_has_it_is_enough(tmp_path):
    found = pairing(tmp_path, [(48, 72), (64, 96)])
    check_scale(found, 4)
    with pytest.raises(
        UsageError, match=r"--scale 2: none of 2 restored images.*im_0 of one is 48x72 and degraded 16x24"
    ):
        check_scale(found, 2)


def test_a_file_that_the_camera_turned_may_have_it(tmp_path):
    check_scale(pairing(tmp_path, [(96, 64)]), 4)


def test_where_nothing_can_be_read_the_run_will_say_so(tmp_path):
    found = pairing(tmp_path, [(64, 96)])
    (tmp_path / "lq" / "im_0.png").write_text("no image")
    check_scale(found, 2)
