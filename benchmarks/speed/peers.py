"""Ours and the peers with the same full-size weights, each as one call on images in [0,1]."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn

from ir_quality_plugin.catalog import find_entry
from ir_quality_plugin.checkpoints.remap import from_release
from ir_quality_plugin.models.card import Protocol
from ir_quality_plugin.nn.crops import grid_origins, take_patches
from ir_quality_plugin.nn.pixels import Normalise
from ir_quality_plugin.scorers import Scorer

from .readings import CVRKDReading, TeacherIQAReading

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from golden import released_weights  # the weights of the parity tests: drawn by a rule, scores far from saturated


def ours(method: str, protocol: Protocol | None = None) -> Scorer:
    """Load our full-size scorer with these weights."""
    entry = find_entry(method)
    network = entry.network()
    network.load_state_dict(from_release(method, released_weights(method), network.state_dict()))
    return entry.scorer(network, entry.card, protocol)


@contextmanager
def _without_downloads() -> Iterator[None]:
    from pyiqa.archs import ckdn_arch

    build = ckdn_arch._resnet

    def offline(arch: str, kind: type, layers: list[int], *_: object, **__: object) -> nn.Module:
        return build(arch, kind, layers, False, False)

    with (
        mock.patch.object(ckdn_arch, "_resnet", offline),
        mock.patch.object(ckdn_arch, "load_pretrained_network", lambda *_, **__: None),
    ):
        yield


def pyiqa_ckdn(as_loss: bool = False) -> nn.Module:
    """pyiqa's own metric object, `metric(restored, degraded)`, its weights replaced by these."""
    import pyiqa

    with _without_downloads():
        metric = pyiqa.create_metric("ckdn", as_loss=as_loss, device=torch.device("cpu"))
    metric.net.net.load_state_dict(released_weights("ckdn"))
    return metric


class OneByOne(nn.Module):
    """TeacherIQA as its release scores: patch after patch, a mean an image. The places are our grid's."""

    def __init__(self) -> None:
        super().__init__()
        self.network, self.normalise = TeacherIQAReading(), Normalise()
        self.network.load_state_dict(ours("teacheriqa").network.state_dict())
        self.eval()

    def forward(self, restored: Tensor) -> Tensor:
        """Score (B,3,H,W), from 224 px, as (B,)."""
        patches = take_patches(self.normalise(restored), grid_origins(*restored.shape[-2:], 224, 25), 224)
        return torch.stack([torch.cat([self.network(patch[None]) for patch in image]).mean() for image in patches])


class BothEncoded(nn.Module):
    """CVRKD as its release scores: ten patches of both images at every call. The places are our grid's."""

    def __init__(self) -> None:
        super().__init__()
        self.network, self.normalise = CVRKDReading(), Normalise()
        self.network.load_state_dict(ours("cvrkd").network.state_dict())
        self.eval()

    def forward(self, restored: Tensor, reference: Tensor) -> Tensor:
        """Score (B,3,H,W) against (B,3,h,w) or (1,3,h,w), from 224 px, as (B,)."""
        quality, clean = (
            take_patches(self.normalise(images), grid_origins(*images.shape[-2:], 224, 10), 224)
            for images in (restored, reference.expand(len(restored), -1, -1, -1))
        )
        return self.network(quality, clean)
