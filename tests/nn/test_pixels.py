"""Sizes and samples: mirroring, matching, resizing as torchvision does."""

import pytest
import torch
from torch.nn import functional
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import center_crop, normalize, resize

from ir_quality_plugin import ImageError
from ir_quality_plugin.nn.crops import centre_crop
from ir_quality_plugin.nn.pixels import Normalise, check_values, match_size, mirror_to, resize_shorter


def test_normalisation_is_torchvisions():
    images = torch.rand(2, 3, 5, 4)
    expected = normalize(images, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    torch.testing.assert_close(Normalise()(images), expected)
    assert not Normalise().state_dict()


def test_mirroring_is_reflection_where_torch_can_reflect():
    images = torch.rand(1, 3, 10, 8)
    torch.testing.assert_close(mirror_to(images, 16, 13), functional.pad(images, (0, 5, 0, 6), mode="reflect"))


def test_mirroring_goes_on_where_torch_gives_up():
    row = torch.tensor([0.0, 1.0, 2.0]).expand(1, 3, 1, 3)
    extended = mirror_to(row, 1, 12)[0, 0, 0]
    assert extended.tolist() == [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]
    assert mirror_to(row, 4, 3).shape == (1, 3, 4, 3)


def test_mirroring_leaves_large_images_alone_and_keeps_every_gradient():
    images = torch.rand(1, 3, 5, 40, requires_grad=True)
    assert mirror_to(images, 5, 7) is images
    mirror_to(images, 33, 50).sum().backward()
    assert images.grad.min() >= 1


@pytest.mark.parametrize("size", [(40, 60), (60, 40), (50, 50), (31, 97)])
@pytest.mark.parametrize("side", [24, 45, 90])
def test_resizing_is_torchvisions(size, side):
    images = torch.rand(1, 3, *size)
    bicubic = resize(images, [side], InterpolationMode.BICUBIC, antialias=True)
    torch.testing.assert_close(resize_shorter(images, side, "bicubic"), bicubic)
    nearest = resize(images, [side], InterpolationMode.NEAREST)
    torch.testing.assert_close(resize_shorter(images, side, "nearest"), nearest)


@pytest.mark.parametrize("size", [(9, 12), (10, 11), (8, 8)])
def test_the_centre_crop_is_torchvisions(size):
    images = torch.rand(1, 3, *size)
    assert torch.equal(centre_crop(images, 7), center_crop(images, [7, 7]))


def test_an_image_below_the_centre_crop_is_refused():
    with pytest.raises(ImageError, match=r"5x9 pixels .* at least 7"):
        centre_crop(torch.rand(1, 3, 5, 9), 7)


def test_enlarging_a_guide_stays_in_range():
    guide = torch.rand(1, 3, 4, 4).round()
    enlarged = match_size("degraded", guide, torch.rand(1, 3, 16, 16))
    assert enlarged.min() >= 0 and enlarged.max() <= 1
    assert match_size("degraded", guide, torch.rand(1, 3, 4, 4)) is guide


def test_values_are_judged_by_each_arguments_own_slack():
    check_values({"a": 0.5, "b": 0.1}, a=torch.tensor([-0.5, 1.5]), b=torch.tensor([-0.09, 1.09]))
    with pytest.raises(ImageError, match=r"b spans \[0, 1\.2\]"):
        check_values({"a": 0.5, "b": 0.1}, a=torch.tensor([0.0, 1.2]), b=torch.tensor([0.0, 1.2]))
