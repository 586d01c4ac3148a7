"""Read image files: whatever they hold becomes RGB in [0,1], or an error that names the file and the reason."""

from __future__ import annotations

import math
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..errors import ImageError, ImageMemoryError, UsageError
from ..files import regular
from ..nn.memory import ran_out_of_memory
from .jpeg import MOST_SCANS, scans_of

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".jp2")
# What Pillow may try a file as, whatever it is called; MPO goes by JPEG. Of its many others, EPS would hand the file
# to Ghostscript.
FORMATS = ("PNG", "JPEG", "BMP", "DIB", "TIFF", "WEBP", "PPM", "JPEG2000", "GIF")
SIXTEEN_BITS = 65535
# Formats whose 16 bits Pillow hands out as 32-bit integers.
SIXTEEN_BIT_FORMATS = ("PNG", "PPM")
# Python's filters of warnings are one for all threads.
OPENING = threading.Lock()
# What Pillow's plugins raise over damaged files, beside OSError.
STUMBLES = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
UNREADABLE = (OSError, Image.DecompressionBombError, Image.DecompressionBombWarning, *STUMBLES)


def read_image(path: str | Path) -> Tensor:
    """Read an image file as RGB.

    The EXIF orientation is applied; grey, palette and CMYK images become RGB; 16-bit grey keeps its precision, colour
    of 16 bits a channel is read at Pillow's 8; floating point grey is taken as [0,1]; an alpha channel is dropped where
    it is opaque everywhere. Of a phone's photograph with further pictures inside (MPO), the photograph is read.

    Args:
        path: of the file.

    Returns:
        (3,H,W) float32 in [0,1].

    Raises:
        ImageError: no file, no image, truncated, transparent, of several frames, of unknown scale, or larger than
            Pillow's limit against decompression bombs.
        ImageMemoryError: a sound image that there is too little memory for.
    """
    path = Path(path)
    try:
        if not path.is_file():
            found = "a folder" if path.is_dir() else "no regular file" if path.exists() else "nothing"
            found = "a link to nothing" if _is_broken_link(path) else found
            raise ImageError(f"cannot read {path}: there is {found}; expected an image file; check the path")
        if path.stat().st_size == 0:
            raise ImageError(f"cannot read {path}: the file is empty; expected an image; copy it again")
        return _to_rgb(path, *_decode(path))
    except UnidentifiedImageError as error:
        raise ImageError(
            f"cannot read {path}: it is no image that can be recognised; expected one of {', '.join(SUFFIXES)}; "
            "export it again"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"cannot read {path}: it declares more pixels than are safe to decode ({error}); score crops of it"
        ) from error
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        raise ImageMemoryError(
            f"cannot read {path}: there is too little memory for its pixels; cut it into tiles that are files of their "
            "own, or read fewer at once"
        ) from error
    except OSError as error:
        if error.errno is None:
            raise _damaged(path, error) from error
        raise ImageError(f"cannot read {path}: {error.strerror}; check the path and its permissions") from error


def _damaged(path: Path, error: Exception) -> ImageError:
    return ImageError(
        f"cannot read {path}: it is damaged ({error}); expected a complete image; copy or export it again"
    )


def _decode(path: Path) -> tuple[Image.Image, str | None]:
    """Decode the file's pixels, turned upright, and name its format."""
    try:
        with opened(path) as image:
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":
                raise ImageError(
                    f"cannot read {path}: it holds {frames} frames; expected one; save the frame as a file of its own"
                )
            check_scans(path, image)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)  # else it would be copied, turned or not
            return image, image.format
    except ImageError:
        raise
    except STUMBLES as error:
        if ran_out_of_memory(error):
            raise
        raise _damaged(path, error) from error


def check_scans(path: Path, image: Image.Image) -> None:
    """Refuse a JPEG whose many scans would keep its decoder busy for minutes.

    Raises:
        ImageError: it has more than `MOST_SCANS`.
    """
    if image.format in ("JPEG", "MPO") and scans_of(path.read_bytes()) > MOST_SCANS:
        raise ImageError(
            f"cannot read {path}: it is a JPEG of more than {MOST_SCANS} scans, each of which takes as long as a "
            "picture; expected one as cameras and programs write it, of about ten; save it anew where you trust it"
        )


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Read a file's header, of `FORMATS` alone; a decompression bomb is an error; any number of threads may do so."""
    with OPENING, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        image = Image.open(regular(path), formats=FORMATS)
    with image:
        yield image


def declared_size(path: Path) -> tuple[int, int]:
    """Height and width that a file's header declares, before it is turned upright; (0, 0) where there is no header."""
    try:
        with opened(path) as image:
            return image.height, image.width
    except UNREADABLE:
        return 0, 0


def declared_pixels(path: Path) -> int:
    """Number of pixels that a file's header declares; 0 where `read_image` would refuse the header."""
    return math.prod(declared_size(path))


def _to_rgb(path: Path, image: Image.Image, form: str | None) -> Tensor:
    if image.mode == "F" or image.mode.startswith("I"):
        if "transparency" in image.info:
            raise ImageError(
                f"cannot read {path}: it has a transparent colour; expected opaque pixels; flatten it first"
            )
        return _from_deep_grey(path, image, form)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] != 255:
            raise ImageError(f"cannot read {path}: it has transparent pixels; expected opaque ones; flatten it first")
    try:
        image = image if image.mode == "RGB" else image.convert("RGB")
    except ValueError as error:
        raise ImageError(
            f"cannot read {path}: its colours ({image.mode}) have no conversion to RGB; export it as RGB"
        ) from error
    # In NumPy, which stays on this thread: torch would wake a team of its own for every thread that reads.
    pixels = np.asarray(image).transpose(2, 0, 1).astype(np.float32, order="C")
    pixels /= np.float32(255)
    return torch.from_numpy(pixels)


def _from_deep_grey(path: Path, image: Image.Image, form: str | None) -> Tensor:
    if image.mode == "I" and form not in SIXTEEN_BIT_FORMATS:
        raise ImageError(
            f"cannot read {path}: it holds 32-bit integers, whose white is not defined; save it with 8 or 16 bits"
        )
    white = 1 if image.mode == "F" else SIXTEEN_BITS
    values = np.array(image, dtype=np.float64)
    lowest, highest = float(values.min()), float(values.max())
    if not (lowest >= 0 and highest <= white):
        raise ImageError(
            f"cannot read {path}: grey values from {lowest:g} to {highest:g}; expected 0 to {white}; rescale them"
        )
    values /= white  # in place, as large pictures need it
    grey = torch.from_numpy(values).float()
    del values
    return grey.expand(3, -1, -1).contiguous()


def image_names(folder: Path) -> list[str]:
    """The names of a folder's images, as `list_images` has them."""

    def listed(entry: os.DirEntry[str]) -> bool:
        if entry.name.startswith(".") or os.path.splitext(entry.name)[1].lower() not in SUFFIXES:
            return False
        if entry.is_symlink():
            return os.path.isfile(entry.path) or not os.path.exists(entry.path)
        return entry.is_file()

    with os.scandir(folder) as entries:
        found = sorted(entry.name for entry in entries if listed(entry))
    if not found:
        raise UsageError(f"{folder} holds no image; expected files ending in {', '.join(SUFFIXES)}")
    return found


def list_images(folder: Path) -> list[Path]:
    """List a folder's images by their suffix, sorted by name; hidden files and folders below it are left out.

    A link whose file is gone is listed too, so that it fails at its place and is not passed over in silence.

    Raises:
        UsageError: there is none.
    """
    return [folder / name for name in image_names(folder)]


def _is_broken_link(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def pair_by_stem(images: list[Path], folder: Path) -> list[Path]:
    """Find for each image the file of the same stem in a folder.

    Args:
        images: whose partners are sought.
        folder: where they are sought.

    Returns:
        One path an image, in order.

    Raises:
        UsageError: names the images without a partner, and the stems that several files share.
    """
    partners: dict[str, list[Path]] = {}
    for path in list_images(folder):
        partners.setdefault(path.stem, []).append(path)
    unpaired = [image.name for image in images if image.stem not in partners]
    if unpaired:
        raise UsageError(
            f"{folder} has no file of the same stem for {len(unpaired)} of {len(images)} images: "
            f"{', '.join(unpaired[:5])}; expected one each; it holds stems such as {', '.join(sorted(partners)[:3])}"
        )
    double = [image.stem for image in images if len(partners[image.stem]) > 1]
    if double:
        raise UsageError(f"{folder} has several files of the stems {', '.join(double[:5])}; expected one each")
    return [partners[image.stem][0] for image in images]
