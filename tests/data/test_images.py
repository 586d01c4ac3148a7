"""Image files of every kind become RGB in [0,1], or an error that names the file and the reason."""

import contextlib
import os
import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from ir_quality_plugin import ImageError, UsageError
from ir_quality_plugin.data.images import declared_size, list_images, pair_by_stem, read_image

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


def test_floating_point_grey_is_taken_as_it_is(tmp_path):
    values = np.random.RandomState(1).random_sample((8, 9)).astype(np.float32)
    for name, pixels in (("half", values), ("white", np.ones((8, 9), np.float32))):
        Image.fromarray(pixels).save(tmp_path / f"{name}.tif")
        torch.testing.assert_close(read_image(tmp_path / f"{name}.tif")[0], torch.from_numpy(pixels))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((8, 9), 200.5, np.float32), "from 200.5 to 200.5; expected 0 to 1"),
        (np.full((8, 9), np.nan, np.float32), "from nan to nan; expected 0 to 1"),
        (np.full((8, 9), 255, np.int32), "32-bit integers"),
    ],
)
def test_deep_grey_of_unknown_scale_is_refused_and_not_read_as_black(tmp_path, pixels, message):
    Image.fromarray(pixels).save(tmp_path / "odd.tif")
    with pytest.raises(ImageError, match=rf"odd\.tif: .*{message}"):
        read_image(tmp_path / "odd.tif")


def test_a_deep_portable_greymap_is_read_by_its_own_maximum(tmp_path):
    (tmp_path / "deep.pgm").write_bytes(b"P5 2 1 1023\n" + struct.pack(">2H", 0, 1023))
    assert read_image(tmp_path / "deep.pgm")[0].tolist() == [[0.0, 1.0]]


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


def declared(width, height):
    """A PNG of a few bytes that declares a size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
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
        (declared(60_000, 60_000), "more pixels than are safe"),
        (declared(10_000, 10_000), "more pixels than are safe"),
        (declared(0, 0), "it is no image"),
        (b"P6 0 5 255\n", "it is no image"),
        (b"II*\0\x08\0\0\0\0\0\0\0\0\0", "it is (no image|damaged)"),
    ],
)
def test_what_is_no_sound_image_is_refused_by_name(tmp_path, content, message):
    (tmp_path / "odd.png").write_bytes(content)
    with pytest.raises(ImageError, match=rf"odd\.png: {message}|odd\.png: it declares {message}"):
        read_image(tmp_path / "odd.png")


def test_flipped_bytes_give_an_image_or_an_image_error(tmp_path):
    draw = np.random.RandomState(3)
    for suffix in (".tif", ".png", ".jpg", ".webp", ".ppm", ".bmp"):
        path = tmp_path / f"flipped{suffix}"
        Image.fromarray(PIXELS).save(path)
        sound = path.read_bytes()
        for position in draw.choice(min(len(sound), 250), 100, replace=False):
            damaged = bytearray(sound)
            damaged[position] ^= draw.randint(1, 256)
            path.write_bytes(damaged)
            with contextlib.suppress(ImageError), warnings.catch_warnings(action="ignore"):
                assert read_image(path).shape[0] == 3


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_truncated_image_is_refused(tmp_path, suffix, kept):
    large = np.random.RandomState(2).randint(0, 256, (120, 130, 3), dtype=np.uint8)
    path = tmp_path / f"cut{suffix}"
    Image.fromarray(large).save(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(ImageError, match=rf"cut\{suffix}: it is (damaged|no image)"):
        read_image(path)


FRAMES = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".tif", ".png"])
def test_several_frames_are_refused_and_a_single_one_is_read(tmp_path, suffix):
    FRAMES[0].save(tmp_path / f"moving{suffix}", save_all=True, append_images=FRAMES[1:])
    with pytest.raises(ImageError, match="holds 2 frames"):
        read_image(tmp_path / f"moving{suffix}")
    FRAMES[0].save(tmp_path / f"still{suffix}")
    assert read_image(tmp_path / f"still{suffix}").shape == (3, 20, 30)


def test_a_phones_photograph_with_a_second_picture_inside_is_its_first(tmp_path):
    FRAMES[0].save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=FRAMES[1:])
    FRAMES[0].save(tmp_path / "plain.jpg")
    torch.testing.assert_close(read_image(tmp_path / "phone.jpg"), read_image(tmp_path / "plain.jpg"))


@pytest.mark.parametrize(("name", "found"), [("missing.png", "nothing"), ("", "a folder"), ("pipe.png", "no regular")])
def test_a_missing_file_a_folder_and_a_pipe_are_told_apart(tmp_path, name, found):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match=f"there is {found}.*; expected an image file"):
        read_image(tmp_path / name)


def test_what_the_file_system_refuses_is_not_called_damaged(tmp_path):
    with pytest.raises(ImageError, match="File name too long; check"):
        read_image(tmp_path / f"{'long' * 100}.png")


@pytest.fixture
def folders(tmp_path):
    for name in ("b.png", "a.jpg", "notes.txt", "._b.png", "other/a.png", "other/b.webp", "other/c.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def test_a_folder_lists_its_images_sorted(folders):
    assert [path.name for path in list_images(folders)] == ["a.jpg", "b.png"]
    (folders / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no image"):
        list_images(folders / "empty")


def test_a_link_whose_file_is_gone_is_listed_and_says_so(folders):
    (folders / "c.png").symlink_to(folders / "gone.png")
    (folders / "d.png").symlink_to(folders / "d.png")
    (folders / "e.png").mkdir()
    listed = list_images(folders)
    assert [path.name for path in listed] == ["a.jpg", "b.png", "c.png", "d.png"]
    for path in listed[2:]:
        with pytest.raises(ImageError, match="there is a link to nothing"):
            read_image(path)
        assert declared_size(path) == (0, 0)


def test_pairs_are_found_by_stem(folders):
    images = [folders / "b.png", folders / "a.jpg"]
    assert [path.name for path in pair_by_stem(images, folders / "other")] == ["b.webp", "a.png"]
    with pytest.raises(UsageError, match=r"no file of the same stem for 1 of 2 images: d\.png"):
        pair_by_stem([folders / "a.jpg", folders / "d.png"], folders / "other")
    (folders / "other" / "a.bmp").write_bytes(b"x")
    with pytest.raises(UsageError, match="several files of the stems a"):
        pair_by_stem(images, folders / "other")


def test_threads_open_files_one_at_a_time_and_leave_pythons_filters_of_warnings_as_they_were(tmp_path, monkeypatch):
    Image.fromarray(PIXELS).save(tmp_path / "image.png")
    meeting, opened, met, read = threading.Barrier(2), Image.open, [], []

    def slow(path, **options):
        with contextlib.suppress(threading.BrokenBarrierError):
            met.append(meeting.wait(0.3))  # inside of the filters of both, which the first one out would take from both
        return opened(path, **options)

    monkeypatch.setattr(Image, "open", slow)
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: read.append(read_image(tmp_path / "image.png"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (met, list(warnings.filters), len(read)) == ([], before, 2)
