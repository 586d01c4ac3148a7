"""Blind baselines that are no metrics of the package: BasicSR's NIQE, and CNNIQA with weights trained on LIVE.

CNNIQA is the network of Kang et al. (CVPR 2014): grey patches of 32 px, each normalised by the mean and the deviation
around every pixel, one convolution, its largest and least answer, two layers, and the mean over patches. It predicts
DMOS: lower is better.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

import ir_quality_plugin as irq
from ir_quality_plugin.errors import ImageError
from ir_quality_plugin.integrations.metric import Metric

irq.register()  # mends what basicsr imports and torchvision has no more
from basicsr.metrics.niqe import calculate_niqe  # noqa: E402

PATCH_PX = 32
NEIGHBOURHOOD_PX = 3
GREY = (0.299, 0.587, 0.114)


class Niqe(Metric):
    """NIQE on luma, of BasicSR, whose parameters come with it; lower is better."""

    def __init__(self, crop_border: int = 0) -> None:
        super().__init__("niqe", "basicsr", None, higher_is_better=False, tiled=False)
        self.crop_border = crop_border

    def _score(self, restored: Tensor, guide: Tensor | None) -> Tensor:
        pictures = (restored.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        found = [
            calculate_niqe(picture[..., ::-1], crop_border=self.crop_border, input_order="HWC") for picture in pictures
        ]
        return torch.tensor([float(each) for each in found], device=restored.device)


class Cnniqa(Metric):
    """CNNIQA; lower is better.

    Args:
        weights: a file of the released kind: conv1, fc1, fc2 and fc3.
    """

    def __init__(self, weights: Path) -> None:
        super().__init__("cnniqa", f"{weights.name}, trained on LIVE", None, higher_is_better=False, tiled=False)
        layers = {"fc1": nn.Linear(100, 800), "fc2": nn.Linear(800, 800), "fc3": nn.Linear(800, 1)}
        self.network = nn.ModuleDict({"conv1": nn.Conv2d(1, 50, 7), **layers})
        self.network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.network.eval().requires_grad_(False)

    def _score(self, restored: Tensor, guide: Tensor | None) -> Tensor:
        if min(restored.shape[-2:]) < PATCH_PX:
            raise ImageError(f"cnniqa was given {tuple(restored.shape)}; expected at least {PATCH_PX} px a side")
        grey = (restored * restored.new_tensor(GREY)[:, None, None]).sum(1)
        return torch.stack([self._of_patches(patches_of((image * 255).round() / 255)) for image in grey])

    def _of_patches(self, patches: Tensor) -> Tensor:
        answers = self.network["conv1"](normalised(patches))
        features = torch.cat((answers.amax((2, 3)), answers.amin((2, 3))), dim=1)
        hidden = self.network["fc2"](self.network["fc1"](features).relu()).relu()
        return self.network["fc3"](hidden).mean()


def patches_of(grey: Tensor) -> Tensor:
    """Patches (N,1,32,32) of (H,W), side by side."""
    height, width = (side // PATCH_PX * PATCH_PX for side in grey.shape)
    cut = grey[:height, :width].unfold(0, PATCH_PX, PATCH_PX).unfold(1, PATCH_PX, PATCH_PX)
    return cut.reshape(-1, 1, PATCH_PX, PATCH_PX)


def normalised(patches: Tensor) -> Tensor:
    """Each pixel less the mean around it, over one more than the deviation around it, in a range of [0,1]."""

    def around(values: Tensor) -> Tensor:
        margin = NEIGHBOURHOOD_PX // 2
        return avg_pool2d(pad(values, (margin,) * 4, mode="replicate"), NEIGHBOURHOOD_PX, stride=1)

    mean = around(patches)
    deviation = (around(patches * patches) - mean * mean).clamp(min=0).sqrt()
    return (patches - mean) / (deviation + 1)
