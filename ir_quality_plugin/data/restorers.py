"""Ways to restore a picture, good and bad ones: what made triplets are restored by.

Pictures are float32 RGB (H,W,3) in [0,1]. Some of these restorers know the clean picture: they imitate networks that
found some of it, or that invent what looks like it, without any such network at hand.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal, NamedTuple

import cv2
import numpy as np
from skimage import restoration

from ..errors import UsageError

Picture = np.ndarray
INTERPOLATIONS = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}
FRAME_PX = 12
GREY = np.array([0.299, 0.587, 0.114], np.float32)


class Case(NamedTuple):
    """What a restorer is given.

    Attributes:
        degraded: (h,w,3), the input.
        clean: (H,W,3), H and W `scale` times as many.
        scale: of the enlargement; 1 where the sizes agree.
    """

    degraded: Picture
    clean: Picture
    scale: int

    def enlarged(self, by: str = "bicubic") -> Picture:
        """The input at the clean picture's size."""
        return _resized(self.degraded, self.clean.shape[1], self.clean.shape[0], by)


class Restorer(NamedTuple):
    """One way to restore.

    Attributes:
        family: kind of it; families are equally likely, whatever the number of their members.
        sizes: "reduced" for inputs that are smaller, "same" for those that are not, "any".
        apply: of a case and what is drawn from; the result may leave [0,1].
    """

    family: str
    sizes: Literal["reduced", "same", "any"]
    apply: Callable[[Case, random.Random], Picture]

    def takes(self, scale: int) -> bool:
        """Whether it restores inputs that are smaller by this factor."""
        return self.sizes == "any" or (self.sizes == "reduced") == (scale > 1)


def restore(name: str, case: Case, seed: int) -> Picture:
    """Restore a picture.

    Args:
        name: of a restorer.
        case: what is restored.
        seed: of the restorer's strength and of what it invents.

    Returns:
        (H,W,3) in [0,1].

    Raises:
        UsageError: the restorer does not take inputs of this size.
    """
    restorer = RESTORERS[name]
    if not restorer.takes(case.scale):
        raise UsageError(f"{name} takes inputs of {restorer.sizes} size; scale={case.scale}")
    return np.clip(restorer.apply(case, random.Random(seed)), 0, 1).astype(np.float32)


# -- tools


def to_8_bits(picture: Picture) -> np.ndarray:
    """Round to uint8."""
    return (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)


def _resized(picture: Picture, width: int, height: int, by: str) -> Picture:
    if picture.shape[:2] == (height, width):
        return picture
    return cv2.resize(picture, (width, height), interpolation=INTERPOLATIONS[by])


def _smooth(picture: Picture, sigma_px: float) -> Picture:
    return cv2.GaussianBlur(picture, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT)


def _point_spread(sigma_px: float) -> np.ndarray:
    line = cv2.getGaussianKernel(2 * max(round(2.5 * sigma_px), 1) + 1, sigma_px)
    return line @ line.T


def _each_channel(picture: Picture, apply: Callable[[np.ndarray], np.ndarray]) -> Picture:
    """Apply to each channel within a mirrored frame: a deconvolution takes the picture's edge for one of its own."""
    framed = np.pad(picture, ((FRAME_PX, FRAME_PX), (FRAME_PX, FRAME_PX), (0, 0)), mode="reflect")
    done = np.stack([apply(framed[..., channel]) for channel in range(3)], axis=-1)
    return done[FRAME_PX:-FRAME_PX, FRAME_PX:-FRAME_PX]


def _noise(shape: tuple[int, ...], draw: random.Random) -> np.ndarray:
    """Standard normal; RandomState's streams are promised never to change."""
    return np.random.RandomState(draw.getrandbits(32)).standard_normal(shape).astype(np.float32)


# -- denoisers


def bilateral(case: Case, draw: random.Random) -> Picture:
    """Average with what lies near and is alike."""
    return cv2.bilateralFilter(case.enlarged(), 9, draw.uniform(0.06, 0.25), draw.uniform(1.5, 4))


def non_local_means(case: Case, draw: random.Random) -> Picture:
    """Average patches that are alike."""
    strength = draw.uniform(3, 14)
    return cv2.fastNlMeansDenoisingColored(to_8_bits(case.enlarged()), None, strength, strength, 5, 15) / 255


def median(case: Case, draw: random.Random) -> Picture:
    """The middle value of a square."""
    return cv2.medianBlur(to_8_bits(case.enlarged()), draw.choice((3, 3, 5))) / 255


def total_variation(case: Case, draw: random.Random) -> Picture:
    """Flat areas between edges."""
    return restoration.denoise_tv_chambolle(case.enlarged(), weight=draw.uniform(0.04, 0.2), channel_axis=-1)


# -- sharpeners


def unsharp(case: Case, draw: random.Random) -> Picture:
    """Edges a little exaggerated."""
    start = case.enlarged()
    return start + draw.uniform(0.4, 1.2) * (start - _smooth(start, draw.uniform(0.8, 2)))


def over_sharpened(case: Case, draw: random.Random) -> Picture:
    """Edges exaggerated by far, with halos."""
    start = case.enlarged()
    return start + draw.uniform(2, 5) * (start - _smooth(start, draw.uniform(1.2, 3)))


def wiener(case: Case, draw: random.Random) -> Picture:
    """Undo a Gaussian blur, linearly."""
    spread, balance = _point_spread(draw.uniform(0.6, 1.6)), draw.uniform(0.02, 0.3)
    return _each_channel(case.enlarged(), lambda plane: restoration.wiener(plane, spread, balance, clip=False))


def richardson_lucy(case: Case, draw: random.Random) -> Picture:
    """Undo a Gaussian blur, step by step; it rings, and makes noise grow."""
    spread, steps = _point_spread(draw.uniform(0.7, 1.8)), draw.randint(4, 14)
    start = np.clip(case.enlarged(), 1e-3, 1)
    return _each_channel(start, lambda plane: restoration.richardson_lucy(plane, spread, num_iter=steps))


def back_projection(case: Case, draw: random.Random) -> Picture:
    """Enlarge so that the reduction is the input again, in a few steps."""
    found, (height, width) = case.enlarged(), case.degraded.shape[:2]
    for _ in range(draw.randint(2, 10)):
        # Smoothed before it is sampled, as a reduction that keeps from aliasing is.
        reduced = _resized(_smooth(found, 0.4 * case.scale), width, height, "bilinear")
        missing = _resized(case.degraded - reduced, found.shape[1], found.shape[0], "bicubic")
        found = found + missing
    return found


# -- imitations of networks


def partial(case: Case, draw: random.Random) -> Picture:
    """Find the coarse, some of the middle and little of the fine, as a network trained for PSNR does."""
    start = case.enlarged()
    missing = case.clean - start
    fine, middle = missing - _smooth(missing, 1), _smooth(missing, 1) - _smooth(missing, 2.5)
    found = [draw.uniform(0.25, 1)]
    for _ in range(2):
        found.append(found[-1] * draw.uniform(0.2, 0.95))
    return start + found[0] * _smooth(missing, 2.5) + found[1] * middle + found[2] * fine


def _coarse_and_detail(case: Case, draw: random.Random) -> tuple[Picture, Picture]:
    """What an imitated GAN gets right, and the detail of the clean picture that it is to imitate."""
    start, sigma_px = case.enlarged(), draw.uniform(1, 2)
    coarse = _smooth(start + draw.uniform(0.4, 1) * (case.clean - start), sigma_px)
    return coarse, case.clean - _smooth(case.clean, sigma_px)


def displaced_texture(case: Case, draw: random.Random) -> Picture:
    """Detail as the clean picture's, a pixel or two beside where it belongs: what a good GAN does."""
    coarse, detail = _coarse_and_detail(case, draw)
    height, width = detail.shape[:2]
    field = _smooth(_noise((height, width, 2), draw), draw.uniform(3, 8))
    field *= draw.uniform(0.6, 2.2) / max(float(field.std()), 1e-6)
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = cv2.remap(detail, columns + field[..., 0], rows + field[..., 1], cv2.INTER_CUBIC, None, cv2.BORDER_REFLECT)
    return coarse + draw.uniform(0.7, 1.15) * moved


def invented_texture(case: Case, draw: random.Random) -> Picture:
    """Grain where the clean picture has detail, as strong, of no meaning."""
    coarse, detail = _coarse_and_detail(case, draw)
    grain = _smooth(_noise(detail.shape[:2], draw), draw.uniform(0.5, 0.9))
    grain -= _smooth(grain, 2)
    return coarse + draw.uniform(0.5, 1.1) * _modulated(grain, detail) + draw.uniform(0, 0.6) * detail


def chequered_texture(case: Case, draw: random.Random) -> Picture:
    """The chequers that transposed convolutions leave where there is detail."""
    coarse, detail = _coarse_and_detail(case, draw)
    rows, columns = np.indices(detail.shape[:2]) // draw.choice((1, 2))
    chequers = np.where((rows + columns) % 2, 1, -1).astype(np.float32)
    return coarse + draw.uniform(0.2, 0.8) * detail + draw.uniform(0.4, 1.4) * _modulated(chequers, detail)


def amplified_noise(case: Case, draw: random.Random) -> Picture:
    """Take the input's noise for detail: fine grain, coloured or grey, where there is noise, and stronger."""
    start = case.enlarged()
    noise = start - _smooth(start, draw.uniform(1, 2) * case.scale)
    strength = np.sqrt(_smooth(np.square(noise), 4 * case.scale))
    grain = _smooth(_noise(start.shape, draw), draw.uniform(0.4, 1))
    grain /= max(float(grain.std()), 1e-6)
    colour = draw.uniform(0, 1)
    grain = colour * grain + (1 - colour) * (grain @ GREY)[..., None]
    return start + draw.uniform(-1, 1.5) * noise + draw.uniform(0.5, 2.5) * strength * grain


def _modulated(pattern: np.ndarray, detail: Picture) -> Picture:
    """Give a grey pattern (H,W) of any strength the local strength of some detail."""
    strength = np.sqrt(_smooth(np.square(detail @ GREY), 3))
    return (pattern / max(float(pattern.std()), 1e-6) * strength)[..., None]


def _interpolation(by: str) -> Restorer:
    return Restorer("interpolation", "reduced", lambda case, draw: case.enlarged(by))


RESTORERS: dict[str, Restorer] = {
    **{name: _interpolation(name) for name in INTERPOLATIONS},
    "unrestored": Restorer("none", "same", lambda case, draw: case.degraded),
    "bilateral": Restorer("denoiser", "any", bilateral),
    "non_local_means": Restorer("denoiser", "any", non_local_means),
    "median": Restorer("denoiser", "any", median),
    "total_variation": Restorer("denoiser", "any", total_variation),
    "unsharp": Restorer("sharpener", "any", unsharp),
    "over_sharpened": Restorer("sharpener", "any", over_sharpened),
    "wiener": Restorer("sharpener", "any", wiener),
    "richardson_lucy": Restorer("sharpener", "any", richardson_lucy),
    "back_projection": Restorer("reconstruction", "reduced", back_projection),
    "partial": Restorer("partial", "any", partial),
    "amplified_noise": Restorer("noise", "any", amplified_noise),
    "displaced_texture": Restorer("texture", "any", displaced_texture),
    "invented_texture": Restorer("texture", "any", invented_texture),
    "chequered_texture": Restorer("texture", "any", chequered_texture),
}
