"""Train the first weights of ckdn-s on clean photographs alone, against restorations made and labelled as it goes.

    python recipes/ckdn/first_ckdn_s.py --photographs DIR --out DIR

Each sample is a clean crop, a degraded version of it, and one of many restorations: the degraded crop brought back to
size, mixed with the clean one as a network that found some of the detail would, and spoiled again. Its label is

    exp(-GMSD / 0.10) * exp(-chroma error / 0.04)

against the clean crop, so that only the clean crop itself has 1. Half of each batch is first pushed towards a higher
score by a few steps along the sign of the gradient, and labelled after that: what games the network is shown to it with
what it is worth. A fifth of the photographs is kept for validation. The labels know nothing of what people prefer;
these weights stand in until scorers are trained as their papers say. Resumes from OUT/state.pt.
"""

import argparse
import dataclasses
import json
import random
from pathlib import Path

import pyiqa
import torch
from scipy.stats import spearmanr
from torch.nn.functional import interpolate, mse_loss

from ir_quality_plugin.catalog import CATALOG, random_network
from ir_quality_plugin.checkpoints.write import whole, write_weights
from ir_quality_plugin.data.images import list_images, read_image
from ir_quality_plugin.degradations import Degrader, degrade
from ir_quality_plugin.nn.pixels import Normalise

SIDE_PX, BATCH = 96, 16
SPEED_SAKE = ("webp", "jpeg2000")  # one image after the other on the CPU
OPERATORS = [name for name in Degrader().operators if name not in SPEED_SAKE]
SPOIL = Degrader(OPERATORS, steps=(1, 2), levels=(1, 4))
DEGRADE = Degrader(["gaussian_noise", "poisson_noise", "jpeg", "gaussian_blur"], steps=(0, 2), levels=(1, 4))
FAINT = Degrader(["gaussian_noise", "jpeg"], steps=(0, 2), levels=(1, 2))


def crops(photographs, draw):
    """A batch of clean crops, (B,3,SIDE_PX,SIDE_PX)."""
    picked = []
    for _ in range(BATCH):
        image = photographs[draw.randrange(len(photographs))]
        top, left = (draw.randint(0, side - SIDE_PX) for side in image.shape[1:])
        crop = image[:, top : top + SIDE_PX, left : left + SIDE_PX]
        picked.append(crop.flip(2) if draw.random() < 0.5 else crop)
    return torch.stack(picked).float() / 255


def sample(clean, draw):
    """Degraded crops at the restored size, and a restoration of each."""
    if draw.random() < 0.7:
        scale = draw.choice((2, 3, 4, 4))
        small = interpolate(clean, scale_factor=1 / scale, mode="bicubic", antialias=True).clamp(0, 1)
        small = degrade(small, [FAINT.plan(draw.getrandbits(60)) for _ in clean])
        degraded = interpolate(small, clean.shape[-2:], mode="nearest")
        up = interpolate(small, clean.shape[-2:], mode=draw.choice(("bicubic", "bilinear"))).clamp(0, 1)
    else:
        up = degraded = degrade(clean, [DEGRADE.plan(draw.getrandbits(60)) for _ in clean])
    found = torch.tensor([draw.choice((0.0, draw.random(), draw.random(), 1.0)) for _ in clean]).view(-1, 1, 1, 1)
    mixed = up + found * (clean - up)
    return degraded, degrade(mixed, [SPOIL.plan(draw.getrandbits(60)) if draw.random() < 0.5 else [] for _ in clean])


class Label:
    """What a restoration is worth against its clean crop, in [0,1]."""

    def __init__(self):
        self.gmsd = pyiqa.create_metric("gmsd", device="cpu").net

    def __call__(self, restored, clean):
        """(B,3,H,W) twice, as (B,)."""
        with torch.no_grad():
            difference = restored - clean
            chroma = (difference - difference.mean(1, keepdim=True)).abs().mean((1, 2, 3))
            return torch.exp(-self.gmsd(restored, clean).flatten() / 0.10) * torch.exp(-chroma / 0.04)


def gamed(score, restored, draw):
    """Half of the batch, moved along the sign of the score's gradient; the rest as it is."""
    steps, size = draw.randint(1, 3), draw.uniform(0.5, 4) / 255
    moved = restored[: BATCH // 2].clone()
    for _ in range(steps):
        moved.requires_grad_()
        (gradient,) = torch.autograd.grad(score(moved).sum(), moved)
        moved = (moved.detach() + size * gradient.sign()).clamp(0, 1)
    return torch.cat([moved, restored[BATCH // 2 :]])


def validate(score, photographs, label):
    """SRCC with the labels on held-out photographs, and how often the clean crop has the highest score of its own."""
    draw, scores, labels, best = random.Random(0), [], [], []
    for _ in range(12):
        clean = crops(photographs, draw)
        degraded, restored = sample(clean, draw)
        with torch.no_grad():
            found = score(restored, degraded)
            best.append((score(clean, degraded) >= found).float().mean().item())
        scores.append(found)
        labels.append(label(restored, clean))
    return float(spearmanr(torch.cat(scores), torch.cat(labels)).statistic), sum(best) / len(best)


def main():
    """Train, and write the weights with their card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    images = [(read_image(path) * 255).round().byte() for path in list_images(arguments.photographs)]
    images = [image for image in images if min(image.shape[1:]) >= SIDE_PX]
    held, photographs = images[::5], [image for index, image in enumerate(images) if index % 5]

    entry, normalise, label = CATALOG["ckdn-s"], Normalise(), Label()
    network = random_network(entry)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=arguments.steps)
    state, first = arguments.out / "state.pt", 0
    if state.is_file():
        saved = torch.load(state, weights_only=True)
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        schedule.load_state_dict(saved["schedule"])
        first = saved["step"]

    def score(restored, degraded):
        return network(normalise(restored), normalise(degraded)).degraded_reference.score

    losses = []
    for step in range(first, arguments.steps):
        draw = random.Random(f"{arguments.seed} {step}")
        torch.manual_seed(draw.getrandbits(60))
        clean = crops(photographs, draw)
        degraded, restored = sample(clean, draw)
        network.eval()
        restored = gamed(lambda image, against=degraded: score(image, against[: len(image)]), restored, draw)
        network.train()
        loss = mse_loss(score(restored, degraded), label(restored, clean))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if (step + 1) % 250 == 0:
            network.eval()
            srcc, best = validate(score, held, label)
            entry_of_log = {"step": step + 1, "loss": sum(losses[-250:]) / 250, "srcc": srcc, "clean_best": best}
            print(json.dumps(entry_of_log), flush=True)
            saved = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
            with whole(state) as path:
                torch.save({**saved, "schedule": schedule.state_dict(), "step": step + 1}, path)
    card = dataclasses.replace(
        entry.card,
        licence="research use only, as the photographs it was trained on ask",
        origin=f"recipes/ckdn/first_ckdn_s.py, {arguments.steps} steps, seed {arguments.seed}; "
        f"on held-out photographs SRCC {srcc:.3f} with its labels, the clean crop best in {best:.0%}",
    )
    weights = network.state_dict()
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    print(write_weights(arguments.out / "ckdn-s.safetensors", half, card))


if __name__ == "__main__":
    main()
