"""What is compared: each row builds a peer's call and ours, on the same weights and images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

import ir_quality_plugin as irq

from . import peers
from .precision import casting

Call = Callable[[], Tensor]
METHODS = ("ckdn", "teacheriqa", "cvrkd")


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        name: as the table says it.
        build: gives the call of a side ("peer" or "ours") in a precision, on a device; a call returns scores or the
            gradient at the pixels.
        work: runs our plain network on the same input, without values; its operations and bytes are counted.
        expected: least ratio peer over ours by precision, as the issue asks.
        memory: highest ratio of peak memory ours over the peer's by precision, where one is asked for.
        gradient: whether a call returns the gradient.
        peer: who stands on the other side.
    """

    name: str
    build: Callable[[str, str, torch.device], Call]
    work: Callable[[], Any]
    expected: dict[str, float]
    peer: str
    memory: dict[str, float] | None = None
    gradient: bool = False


def images(count: int, height: int, width: int, seed: int) -> Tensor:
    """Smooth pictures with noise on them, the same at every call."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, height // 16, width // 16, generator=draw)
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)
    return (smooth + 0.1 * torch.randn(smooth.shape, generator=draw)).clamp(0, 1)


def _scoring(score: Callable[..., Tensor], given: tuple[Tensor, ...], precision: str, device: torch.device) -> Call:
    def call() -> Tensor:
        with torch.inference_mode(), casting(precision, device):
            return score(*given).flatten()

    return call


def _pair(count: int, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    return images(count, height, width, 1).to(device), images(count, height, width, 2).to(device)


def ckdn_score(side: str, precision: str, device: torch.device) -> Call:
    """Both by the released protocol, so that the scores are the same."""
    given = _pair(8, 288, 288, device)
    if side == "peer":
        return _scoring(peers.pyiqa_ckdn().to(device), given, precision, device)
    return _scoring(peers.ours("ckdn", "released").to(device), given, precision, device)


def ckdn_loss(side: str, precision: str, device: torch.device) -> Call:
    """Forward and backward to the pixels; pyiqa's also reaches its weights, which it leaves trainable."""
    restored, degraded = _pair(8, 288, 288, device)
    if side == "peer":
        metric = peers.pyiqa_ckdn(as_loss=True).to(device)

        def loss(pixels: Tensor) -> Tensor:
            with casting(precision, device):
                return 1 - metric(pixels, degraded)
    else:
        scorer = peers.ours("ckdn", "released").to(device)
        loss = _given(irq.QualityLoss(scorer.bfloat16() if precision == "bf16" else scorer), degraded)

    def call() -> Tensor:
        pixels = restored.clone().requires_grad_()
        loss(pixels).backward()
        return pixels.grad

    return call


def _given(term: irq.QualityLoss, degraded: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda pixels: term(pixels, degraded=degraded)


def teacheriqa_score(side: str, precision: str, device: torch.device) -> Call:
    """One photograph of 25 patches."""
    restored = images(1, 480, 640, 3).to(device)
    score = peers.OneByOne() if side == "peer" else peers.ours("teacheriqa")
    return _scoring(score.to(device), (restored,), precision, device)


def cvrkd_score(side: str, precision: str, device: torch.device) -> Call:
    """One photograph of ten patches against a clean one that was used before."""
    restored, clean = _pair(1, 448, 640, device)
    if side == "peer":
        return _scoring(peers.BothEncoded().to(device), (restored, clean), precision, device)
    scorer = peers.ours("cvrkd").to(device)
    return _scoring(lambda image: scorer(image, reference=clean), (restored,), precision, device)


def _network_work(method: str, run: Callable[[Any], Any]) -> Callable[[], Any]:
    """Run a plain network on tensors without values: what it computes can be counted in no time."""

    def work() -> None:
        network = irq.load_scorer(method, weights="random").network
        with FakeTensorMode(allow_non_fake_inputs=True):
            run(network)

    return work


def _loss_work(network: Any) -> None:
    pixels = torch.zeros(8, 3, 288, 288, requires_grad=True)
    network(pixels, torch.zeros(8, 3, 288, 288)).degraded_reference.score.sum().backward()


def _cvrkd_work(network: Any) -> None:
    encoded = network.encode(torch.zeros(1, 10, 3, 224, 224))
    network.judge(encoded, encoded)


ROWS = {
    "ckdn_score": Row(
        "CKDN score, 8 images of 288 px",
        ckdn_score,
        _network_work("ckdn", lambda network: network(torch.zeros(8, 3, 288, 288), torch.zeros(8, 3, 288, 288))),
        {"fp32": 2.4, "bf16": 7.0},
        "pyiqa's metric",
    ),
    "ckdn_loss": Row(
        "CKDN loss, forward and backward to the pixels of 8 images of 288 px",
        ckdn_loss,
        _network_work("ckdn", _loss_work),
        {"fp32": 6.0, "bf16": 13.0},
        "pyiqa's `as_loss`",
        {"fp32": 0.4, "bf16": 0.25},
        gradient=True,
    ),
    "teacheriqa_score": Row(
        "TeacherIQA score, 25 patches of 224 px",
        teacheriqa_score,
        _network_work("teacheriqa", lambda network: network(torch.zeros(25, 3, 224, 224))),
        {"fp32": 2.0, "bf16": 5.0},
        "the released reading, patch by patch",
    ),
    "cvrkd_score": Row(
        "CVRKD score, 10 patches of 224 px, a reference seen before",
        cvrkd_score,
        _network_work("cvrkd", _cvrkd_work),
        {"fp32": 3.0, "bf16": 8.5},
        "the released reading, both images encoded",
    ),
}
