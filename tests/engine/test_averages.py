"""The exponential average of a network's weights."""

import pytest
import torch
from torch import nn

import ir_quality_plugin.integrations

pytest.importorskip("basicsr")
assert ir_quality_plugin.integrations

from ir_quality_plugin.engine.build import average_of  # noqa: E402
from ir_quality_plugin.engine.options import read_options  # noqa: E402


def test_running_statistics_are_averaged_with_the_weights_that_they_belong_to():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    average = average_of(network, read_options("recipes/ckdn/smoke.yml", ["train.ema_decay=0.75"]))
    with torch.no_grad():
        network[0].bias.fill_(average.module[0].bias[0].item() + 4.0)
        network[1].running_mean.fill_(4.0)
    average.update_parameters(network)
    assert average.module[1].running_mean.tolist() == pytest.approx([1.0] * 4)
    assert average.module[0].bias[0].item() == pytest.approx(network[0].bias[0].item() - 3.0)
