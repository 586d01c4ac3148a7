"""Pictures that unpack into more than they hold, keep their decoder busy, or ask for another program."""

import resource
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.data.jpeg import scans_of
from ir_quality_plugin.errors import ImageError


def png(width, height, data=b"", chunks=()):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + b"".join(chunk(*one) for one in chunks)
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


def text_bomb():
    return b"comment\0\0" + zlib.compress(bytes(2**26))


@pytest.mark.parametrize(
    "content",
    [
        png(30_000, 30_000),
        png(2**31 - 1, 2**31 - 1),
        png(8, 8, zlib.compress(bytes(200)), [(b"zTXt", text_bomb())] * 3),
        png(8, 8, zlib.compress(bytes(200)), [(b"iCCP", text_bomb())]),
    ],
    ids=["many pixels", "all pixels", "text", "profile"],
)
def test_an_image_that_unpacks_into_too_much_is_refused(tmp_path, content):
    path = tmp_path / "bomb.png"
    path.write_bytes(content)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError):
        read_image(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


@pytest.mark.parametrize("form", ["webp", "tiff", "jpeg2000"])
def test_a_bomb_of_another_format_is_refused(tmp_path, form, monkeypatch):
    path = tmp_path / "bomb.png"
    Image.fromarray(np.zeros((600, 600, 3), np.uint8)).save(path, form)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match="more pixels than are safe"):
        read_image(path)


def test_no_file_is_handed_to_ghostscript(tmp_path, monkeypatch):
    """Pillow runs `gs` on an EPS, whatever the file is called."""
    from PIL import EpsImagePlugin

    def run(*_, **__):
        raise AssertionError("a file was handed to Ghostscript")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run)
    path = tmp_path / "photo.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n%%EOF\n")
    Image.open(path)  # Pillow itself takes it for an image
    with pytest.raises(ImageError, match="no image that can be recognised"):
        read_image(path)


def segment(kind, content):
    return b"\xff" + bytes([kind]) + struct.pack(">H", len(content) + 2) + content


def progressive(scans, side=64, thumbnail=b""):
    """A grey JPEG of one scan that holds a picture, and of others that change nothing in it."""
    blocks = (side // 8) ** 2
    frame = struct.pack(">BHHB", 8, side, side, 1) + bytes([1, 0x11, 0])
    head = segment(0xE1, b"Exif\0\0" + thumbnail) + segment(0xDB, bytes([0, *[1] * 64])) + segment(0xC2, frame)
    tables = segment(0xC4, bytes([0, 1, *[0] * 15, 0])) + segment(0xC4, bytes([0x10, 1, *[0] * 15, 0xE0]))
    picture = segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + bytes(blocks // 8)
    others = b"".join(
        segment(0xDA, bytes([1, 1, 0, 1, 63, 0x0D if index == 0 else 16 * (14 - index) + 13 - index])) + b"\0\0\x7f"
        for index in (min(index, 13) for index in range(scans - 1))
    )
    return b"\xff\xd8" + head + tables + picture + others + b"\xff\xd9"


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_jpeg_of_scans_without_end_is_refused(tmp_path, suffix):
    path = tmp_path / f"slow.{suffix}"
    path.write_bytes(progressive(101))
    with pytest.raises(ImageError, match="a JPEG of more than 100 scans"):
        read_image(path)


def test_scans_of_thumbnails_and_of_further_pictures_do_not_count(tmp_path):
    path = tmp_path / "sound.jpg"
    picture = progressive(12, thumbnail=progressive(90))
    path.write_bytes(picture + progressive(99))
    assert scans_of(path.read_bytes()) == 12
    assert read_image(path).shape == (3, 64, 64)


def test_a_photographs_data_is_not_taken_for_scans(tmp_path):
    noise = np.random.RandomState(0).randint(0, 256, (256, 256, 3), dtype=np.uint8)
    for progression, least, most in ((False, 1, 1), (True, 5, 12)):
        Image.fromarray(noise).save(tmp_path / "a.jpg", quality=100, progressive=progression)
        content = (tmp_path / "a.jpg").read_bytes()
        assert b"\xff\x00" in content
        assert least <= scans_of(content) <= most
