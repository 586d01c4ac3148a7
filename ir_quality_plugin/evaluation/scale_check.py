"""Whether a scale that was asked for can be right, by the files' headers, before anything is scored."""

from __future__ import annotations

from ..data.folders import DEGRADED, Pairing
from ..data.images import declared_size
from ..errors import UsageError


def check_scale(pairing: Pairing, scale: int) -> None:
    """Refuse a scale that no restored image has to its degraded one; the first one that has it ends the search.

    Args:
        pairing: which files belong together.
        scale: factor that every restored image must have.

    Raises:
        UsageError: not one of the files whose sizes can be read has it.
    """
    others = []
    for image, degraded in pairing.files.get(DEGRADED, {}).items():
        small = declared_size(degraded)
        for method in pairing.methods:
            size = declared_size(pairing.files[method][image]) if image in pairing.files[method] else (0, 0)
            if 0 in (*small, *size):
                continue
            # A header's size is that before the camera's orientation is applied, which either file may have.
            if size in [(scale * small[0], scale * small[1]), (scale * small[1], scale * small[0])]:
                return
            others.append(f"{image} of {method} is {size[0]}x{size[1]} and degraded {small[0]}x{small[1]} pixels (HxW)")
    if others:
        raise UsageError(
            f"--scale {scale}: none of {len(others)} restored images is {scale} times its degraded one; {others[0]}; "
            "expected the scale of these folders, or no --scale for any whole one"
        )
