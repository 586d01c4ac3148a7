"""CKDN, images to score, against pyiqa's inner network on the same weights, official preprocessing included."""

import pytest
import torch
from golden import image, released_weights
from torch.nn import functional

import ir_quality_plugin as irq

pytest.importorskip("pyiqa")


@pytest.fixture(scope="module")
def theirs():
    """pyiqa's metric with its own network inside, without the downloads that its constructor does."""
    from pyiqa.archs import ckdn_arch

    build = ckdn_arch._resnet
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ckdn_arch, "_resnet", lambda arch, block, layers, *_: build(arch, block, layers, False, False))
        metric = ckdn_arch.CKDN(pretrained=False)
    metric.net.load_state_dict(released_weights("ckdn"))
    return metric.eval()


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    path = tmp_path_factory.mktemp("released") / "CKDN.pth"
    torch.save({"params": {f"net.{key}": tensor for key, tensor in released_weights("ckdn").items()}}, path)
    return irq.load_scorer("ckdn", weights=path)


@pytest.mark.parametrize("size", [(288, 288), (329, 329), (400, 300), (256, 768), (120, 90), (481, 321)])
def test_official_preprocessing_and_network_give_pyiqas_score(theirs, ours, size):
    # Smooth images with noise on top: resampling filters differ visibly on them.
    smooth = functional.interpolate(image(size[0], 2, 3, 12, 12), size=size, mode="bicubic").clamp(0, 1)
    restored = (smooth + 0.2 * image(size[1], 2, 3, *size)).clamp(0, 1)
    with torch.no_grad():
        expected = theirs(restored, smooth).flatten()
        score = ours(restored, smooth)
    assert expected.std() > 0
    torch.testing.assert_close(score, expected, rtol=0, atol=1e-5)


def test_the_whole_image_gives_pyiqas_network_without_its_preprocessing(theirs, ours):
    restored, degraded = image(5, 2, 3, 200, 330), image(6, 2, 3, 200, 330)
    whole = irq.scorers.CKDNScorer(ours.network, ours.card, protocol="whole")
    with torch.no_grad():
        normalised = [(batch - theirs.default_mean) / theirs.default_std for batch in (restored, degraded)]
        expected = theirs.net(*normalised).flatten()
        torch.testing.assert_close(whole(restored, degraded), expected, rtol=0, atol=1e-5)
