"""What is wrong with the images is found before training, and named."""

import shutil

import pytest
from engine_runs import RECIPES
from PIL import Image

import ir_quality_plugin as irq
from ir_quality_plugin.engine.options import read_options
from ir_quality_plugin.engine.preflight import check_space, preflight

SMOKE = RECIPES / "smoke" / "sr_x4_ckdn.yml"


@pytest.fixture
def images(tmp_path):
    shutil.copytree(RECIPES / "smoke" / "photographs" / "train", tmp_path / "train")
    return tmp_path / "train"


def look(images, *overrides):
    places = [f"datasets.train.dataroot_gt={images / 'gt'}", f"datasets.train.dataroot_lq={images / 'x4'}"]
    preflight(read_options(SMOKE, [*places, *overrides]))


def test_good_images_pass(images):
    look(images)


def test_a_stray_file_is_named(images):
    (images / "gt" / "notes.txt").write_text("mine")
    with pytest.raises(irq.UsageError, match=r"holds what is no image: notes\.txt"):
        look(images)


def test_names_that_differ_by_their_ending_alone_are_named(images):
    shutil.copy(images / "gt" / "rocket_0.png", images / "gt" / "rocket_0.bmp")
    with pytest.raises(irq.UsageError, match=r"share a name but for their ending: rocket_0"):
        look(images)


def test_a_missing_folder_is_named(images):
    shutil.rmtree(images / "x4")
    with pytest.raises(
        irq.UsageError, match=r"datasets\.train\.dataroot_lq=.*x4: no such folder; relative paths start"
    ):
        look(images)


def test_images_without_a_partner_are_listed(images):
    (images / "x4" / "astronaut_0.png").unlink()
    shutil.copy(images / "x4" / "rocket_0.png", images / "x4" / "other.png")
    with pytest.raises(irq.UsageError, match=r"in .*x4 alone: other; in .*gt alone: astronaut_0"):
        look(images)


def test_a_degraded_image_of_the_wrong_size_is_named_with_both(images):
    Image.new("RGB", (20, 24)).save(images / "x4" / "chelsea_1.png")
    with pytest.raises(irq.UsageError, match=r"1 of 8 pairs .* scale 4: chelsea_1\.png is 20x24 .* 96x96"):
        look(images)


def test_the_wrong_scale_is_seen(images):
    with pytest.raises(irq.UsageError, match=r"8 of 8 pairs cannot be used at scale 2: .*and 3 more"):
        look(images, "scale=2")


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_an_image_that_cannot_be_read_is_named(images, content):
    path = images / "gt" / "rocket_1.png"
    path.write_bytes(path.read_bytes()[:3000] if content is None else content)
    with pytest.raises(irq.UsageError, match=r"1 of 8 pairs .*rocket_1"):
        look(images)


def test_crops_larger_than_an_image_are_seen(images):
    with pytest.raises(irq.UsageError, match=r"astronaut_0\.png is 96x96, less than gt_size=128"):
        look(images, "datasets.train.gt_size=128")


def test_a_disk_without_room_for_a_state_is_refused(tmp_path):
    with pytest.raises(irq.UsageError, match=r"MiB free, one state takes about"):
        check_space(tmp_path, 10**18)
