"""Read image files: whatever they hold becomes RGB in [0,1], or an error that names the file and the reason."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..errors import ImageError, UsageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".jp2")
SIXTEEN_BITS = 65535


def read_image(path: str | Path) -> Tensor:
    """Read an image file as RGB.

    The EXIF orientation is applied; grey, palette and CMYK images become RGB; 16-bit grey keeps its precision; an alpha
    channel is dropped where it is opaque everywhere.

    Args:
        path: of the file.

    Returns:
        (3,H,W) float32 in [0,1].

    Raises:
        ImageError: no file, no image, truncated, transparent, of several frames, or larger than Pillow's limit against
            decompression bombs.
    """
    path = Path(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise ImageError(f"cannot read {path}: there is {found}; expected an image file")
    if path.stat().st_size == 0:
        raise ImageError(f"cannot read {path}: the file is empty; copy it again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return _to_rgb(path, image)
    except UnidentifiedImageError as error:
        raise ImageError(f"cannot read {path}: it is no image; expected one of {', '.join(SUFFIXES)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"cannot read {path}: it declares more pixels than are safe to decode ({error}); score crops of it"
        ) from error
    except ImageError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, MemoryError, OverflowError) as error:
        raise ImageError(f"cannot read {path}: it is damaged ({error}); copy or export it again") from error


def _to_rgb(path: Path, image: Image.Image | ImageFile.ImageFile) -> Tensor:
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise ImageError(
            f"cannot read {path}: it holds {frames} frames; expected one; save the frame as a file of its own"
        )
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _from_deep_grey(path, np.asarray(image, dtype=np.float64))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] != 255:
            raise ImageError(f"cannot read {path}: it has transparent pixels; expected opaque ones; flatten it first")
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _from_deep_grey(path: Path, values: np.ndarray) -> Tensor:
    lowest, highest = float(values.min()), float(values.max())
    if not (lowest >= 0 and highest <= SIXTEEN_BITS):
        raise ImageError(
            f"cannot read {path}: grey values from {lowest:g} to {highest:g}; expected 16 bits: 0 to 65535"
        )
    # Floating point files hold [0,1]; whole numbers hold 16 bits.
    scale = (
        1.0
        if highest <= 1 and values.dtype.kind == "f" and not np.equal(values, values.round()).all()
        else SIXTEEN_BITS
    )
    return torch.from_numpy(values / scale).float().expand(3, -1, -1).contiguous()


def list_images(folder: Path) -> list[Path]:
    """List a folder's images by their suffix, sorted by name; folders below it are left out.

    Raises:
        UsageError: there is none.
    """
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise UsageError(f"{folder} holds no image; expected files ending in {', '.join(SUFFIXES)}")
    return found


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
