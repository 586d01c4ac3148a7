"""Image files of every kind become RGB in [0,1], or an error that names the file and the reason."""

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from ir_quality_plugin import ImageError, UsageError
from ir_quality_plugin.data.images import list_images, pair_by_stem, read_image

PIXELS = np.random.RandomState(0).randint(0, 256, (20, 30, 3), dtype=np.uint8)
EXPECTED = torch.from_numpy(PIXELS).permute(2, 0, 1) / 255


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
def test_pixels_are_read_as_they_are(tmp_path, suffix):
    Image.fromarray(PIXELS).save(tmp_path / f"image{suffix}")
    image = read_image(tmp_path / f"image{suffix}")
    assert image.dtype == torch.float32
    assert image.is_contiguous()
    torch.testing.assert_close(image, EXPECTED)


def test_grey_palette_and_cmyk_become_rgb(tmp_path):
    grey = Image.fromarray(PIXELS[..., 0])
    grey.save(tmp_path / "grey.png")
    torch.testing.assert_close(read_image(tmp_path / "grey.png"), EXPECTED[:1].expand(3, -1, -1))
    palette = Image.fromarray(PIXELS).quantize(16)
    palette.save(tmp_path / "palette.png")
    expected = torch.from_numpy(np.array(palette.convert("RGB"))).permute(2, 0, 1) / 255
    torch.testing.assert_close(read_image(tmp_path / "palette.png"), expected)
    Image.fromarray(PIXELS).convert("CMYK").save(tmp_path / "cmyk.tif")
    torch.testing.assert_close(read_image(tmp_path / "cmyk.tif"), EXPECTED, rtol=0, atol=2 / 255)


def test_sixteen_bits_of_grey_keep_their_precision(tmp_path):
    values = np.random.RandomState(1).randint(0, 65536, (8, 9), dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    expected = torch.from_numpy(values.astype(np.float32) / 65535).expand(3, -1, -1)
    torch.testing.assert_close(read_image(tmp_path / "deep.png"), expected)


def test_the_cameras_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90 degrees
    Image.fromarray(PIXELS).save(tmp_path / "turned.png", exif=exif)
    torch.testing.assert_close(read_image(tmp_path / "turned.png"), EXPECTED.rot90(-1, (1, 2)))


def test_an_opaque_alpha_is_dropped_and_a_transparent_one_refused(tmp_path):
    alpha = np.full((20, 30, 1), 255, np.uint8)
    Image.fromarray(np.concatenate([PIXELS, alpha], 2)).save(tmp_path / "opaque.png")
    torch.testing.assert_close(read_image(tmp_path / "opaque.png"), EXPECTED)
    alpha[3, 4] = 254
    Image.fromarray(np.concatenate([PIXELS, alpha], 2)).save(tmp_path / "clear.png")
    with pytest.raises(ImageError, match=r"clear\.png: it has transparent pixels.*flatten"):
        read_image(tmp_path / "clear.png")


def bomb():
    """A PNG of a few bytes that declares 60,000 by 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"this is a text file\n", "it is no image"),
        (b"\x89PNG\r\n\x1a\n", "it is (no image|damaged)"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 50, "it is (no image|damaged)"),
        (bomb(), "more pixels than are safe"),
    ],
)
def test_what_is_no_sound_image_is_refused_by_name(tmp_path, content, message):
    (tmp_path / "odd.png").write_bytes(content)
    with pytest.raises(ImageError, match=rf"odd\.png: {message}|odd\.png: it declares {message}"):
        read_image(tmp_path / "odd.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_truncated_image_is_refused(tmp_path, suffix, kept):
    large = np.random.RandomState(2).randint(0, 256, (120, 130, 3), dtype=np.uint8)
    path = tmp_path / f"cut{suffix}"
    Image.fromarray(large).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(ImageError, match=rf"cut\{suffix}: it is (damaged|no image)"):
        read_image(path)


def test_an_animation_is_refused(tmp_path):
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="holds 2 frames"):
        read_image(tmp_path / "moving.webp")


@pytest.mark.parametrize(("name", "found"), [("missing.png", "nothing"), ("", "a folder")])
def test_a_missing_file_and_a_folder_are_told_apart(tmp_path, name, found):
    with pytest.raises(ImageError, match=f"there is {found}; expected an image file"):
        read_image(tmp_path / name)


@pytest.fixture
def folders(tmp_path):
    for name in ("b.png", "a.jpg", "notes.txt", "other/a.png", "other/b.webp", "other/c.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def test_a_folder_lists_its_images_sorted(folders):
    assert [path.name for path in list_images(folders)] == ["a.jpg", "b.png"]
    (folders / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no image"):
        list_images(folders / "empty")


def test_pairs_are_found_by_stem(folders):
    images = [folders / "b.png", folders / "a.jpg"]
    assert [path.name for path in pair_by_stem(images, folders / "other")] == ["b.webp", "a.png"]
    with pytest.raises(UsageError, match=r"no file of the same stem for 1 of 2 images: d\.png"):
        pair_by_stem([folders / "a.jpg", folders / "d.png"], folders / "other")
    (folders / "other" / "a.bmp").write_bytes(b"x")
    with pytest.raises(UsageError, match="several files of the stems a"):
        pair_by_stem(images, folders / "other")
