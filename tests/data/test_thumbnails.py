"""Small pictures look like the image, whatever its size, and are no larger than they say."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from ir_quality_plugin.data.thumbnails import _fewer_rows, thumbnail


def pixels_of(source):
    kind, _, encoded = source.partition(",")
    assert kind == "data:image/webp;base64"
    return torch.from_numpy(np.array(Image.open(io.BytesIO(base64.b64decode(encoded))))).permute(2, 0, 1) / 255


def smooth(height, width):
    rows, columns = torch.linspace(0, 1, height)[:, None], torch.linspace(0, 1, width)
    return torch.stack([rows.expand(height, width), columns.expand(height, width), rows * columns])


@pytest.mark.parametrize(
    ("size", "expected"),
    [((20, 30), (20, 30)), ((72, 72), (72, 72)), ((256, 200), (72, 56)), ((145, 2000), (5, 72)), ((999, 9), (72, 1))],
)
def test_a_thumbnail_is_the_mean_over_areas_and_at_most_72_pixels(size, expected):
    image = smooth(*size)
    small = pixels_of(thumbnail(image, quality=100))
    assert small.shape[-2:] == expected
    areas = functional.interpolate(image[None], size=expected, mode="area")[0]
    assert (small - areas).abs().mean() < 0.02


def test_rows_are_averaged_and_as_many_are_left_as_are_asked_for():
    image = torch.arange(7.0).view(1, 7, 1).expand(3, 7, 2).numpy()
    assert _fewer_rows(image, 3)[0, :, 0].tolist() == [0.5, 2.5, 4.5]
    assert _fewer_rows(image, 4) is image


def test_values_beyond_the_range_are_clipped():
    bright = pixels_of(thumbnail(torch.full((3, 8, 8), 1.4)))
    dark = pixels_of(thumbnail(torch.full((3, 8, 8), -0.4)))
    assert bright.min() > 0.98
    assert dark.max() < 0.02
