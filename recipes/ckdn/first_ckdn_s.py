"""Train the first weights of ckdn-s: restorations of clean photographs, labelled by a consensus of offline metrics.

    python recipes/ckdn/first_ckdn_s.py --photographs DIR --out DIR

Each sample is a clean crop, its bicubic reduction by 4 (some with noise), and one of many restorations of it:
interpolations, sharpened, blurred, noisy, compressed, mixtures with the clean crop. Its label is the mean rank, in
[0,1], of its SSIM, FSIM, VSI and GMSD against the clean crop. A fifth of the photographs is kept for
validation. Stands in until scorers are trained as their papers say; its labels know nothing of what people prefer.
"""

import argparse
import io
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from scipy.stats import rankdata, spearmanr
from torch.nn.functional import mse_loss

from ir_quality_plugin.catalog import CATALOG, random_network
from ir_quality_plugin.checkpoints.write import whole, write_weights
from ir_quality_plugin.data.images import list_images
from ir_quality_plugin.nn.pixels import Normalise

SIDE_PX, SCALE = 128, 4
METRICS = ("ssim", "fsim", "vsi", "gmsd")
BICUBIC = Image.Resampling.BICUBIC


def noisy(image, sigma_255, draw):
    """Add Gaussian noise."""
    values = np.asarray(image, dtype=np.float32) + draw.normal(0, sigma_255, (image.height, image.width, 3))
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


def compressed(image, quality):
    """Compress as JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "jpeg", quality=quality)
    return Image.open(buffer).convert("RGB")


def rippled(image, strength_255):
    """Add the checkerboard of a transposed convolution."""
    y, x = np.mgrid[: image.height, : image.width]
    ripple = strength_255 * np.cos(np.pi * x / 2) * np.cos(np.pi * y / 2)
    return Image.fromarray((np.asarray(image) + ripple[..., None]).round().clip(0, 255).astype(np.uint8))


def restore(clean, small, draw):
    """One of many restorations of the small image; some borrow detail from the clean one, as good networks find it."""
    large = small.resize(
        clean.size,
        [Image.Resampling.NEAREST, Image.Resampling.BILINEAR, BICUBIC, Image.Resampling.LANCZOS][draw.integers(4)],
    )
    bicubic = small.resize(clean.size, BICUBIC)
    kind = draw.integers(9)
    if kind == 0:
        return large
    if kind == 1:
        return bicubic.filter(ImageFilter.UnsharpMask(draw.uniform(1, 3), int(draw.uniform(50, 350)), 0))
    mixed = Image.blend(bicubic, clean, draw.uniform(0.1, 1.0))
    if kind in (2, 3):
        return mixed
    if kind == 4:
        return noisy(mixed, draw.uniform(1, 20), draw)
    if kind == 5:
        return compressed(mixed, int(draw.uniform(10, 90)))
    if kind == 6:
        return mixed.filter(ImageFilter.GaussianBlur(draw.uniform(0.3, 2.5)))
    if kind == 7:
        return rippled(mixed, draw.uniform(1, 16))
    return mixed.filter(ImageFilter.UnsharpMask(draw.uniform(0.5, 2), int(draw.uniform(30, 250)), 0))


def make(photographs, count, seed):
    """Make `count` samples: restored, degraded (at the restored size), clean, and the photograph's index."""
    draw = np.random.default_rng(seed)
    made = []
    for index in range(count):
        which = index % len(photographs)
        image = Image.open(photographs[which]).convert("RGB")
        left, upper = (int(draw.integers(0, side - SIDE_PX + 1)) for side in image.size)
        clean = image.crop((left, upper, left + SIDE_PX, upper + SIDE_PX))
        small = clean.resize((SIDE_PX // SCALE,) * 2, BICUBIC)
        if draw.random() < 0.3:
            small = noisy(small, draw.uniform(1, 10), draw)
        pictures = restore(clean, small, draw), small.resize(clean.size, Image.Resampling.NEAREST), clean
        made.append(np.stack([np.asarray(picture) for picture in pictures]))
    return np.stack(made), np.arange(count) % len(photographs)


def to_tensor(pictures):
    """uint8 (..., H, W, 3) as float (..., 3, H, W) in [0,1]."""
    return torch.from_numpy(pictures).movedim(-1, -3).float() / 255


def labels(samples):
    """Mean rank of every restoration over the metrics, in [0,1]."""
    import pyiqa

    ranks = []
    for name in METRICS:
        metric = pyiqa.create_metric(name, device="cpu")
        with torch.no_grad():
            scores = np.concatenate(
                [
                    metric(to_tensor(part[:, 0]), to_tensor(part[:, 2])).flatten().numpy()
                    for part in np.array_split(samples, max(len(samples) // 50, 1))
                ]
            )
        ranks.append(rankdata(-scores if metric.lower_better else scores) / len(scores))
        print(f"{name} done", flush=True)
    return np.mean(ranks, axis=0).astype(np.float32)


def main():
    """Make the samples once, train, and write the weights with their card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=4080)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(arguments.seed)

    cache = arguments.out / "samples.npz"
    if not cache.is_file():
        photographs = [path for path in list_images(arguments.photographs) if min(Image.open(path).size) >= SIDE_PX]
        samples, content = make(photographs, arguments.samples, arguments.seed)
        labelled = labels(samples)
        with whole(cache) as path:
            np.savez(path.open("wb"), samples=samples, content=content, labels=labelled)
    stored = np.load(cache)
    samples, content, mos = stored["samples"], stored["content"], torch.from_numpy(stored["labels"])
    validation = content % 5 == 0
    training = np.flatnonzero(~validation)

    entry = CATALOG["ckdn-s"]
    network, normalise = random_network(entry), Normalise()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    steps = arguments.epochs * (len(training) // 16)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps)
    state = arguments.out / "state.pt"
    first = 0
    if state.is_file():
        saved = torch.load(state, weights_only=True)
        network.load_state_dict(saved["network"]), optimiser.load_state_dict(saved["optimiser"])
        schedule.load_state_dict(saved["schedule"])
        first = saved["epoch"]
    for epoch in range(first, arguments.epochs):
        order = np.random.default_rng([arguments.seed, epoch]).permutation(training)
        network.train()
        losses = []
        for picks in np.array_split(order[: len(order) // 16 * 16], len(order) // 16):
            restored, degraded = normalise(to_tensor(samples[picks, 0])), normalise(to_tensor(samples[picks, 1]))
            flip = bool(epoch % 2)
            output = network(restored.flip(-1) if flip else restored, degraded.flip(-1) if flip else degraded)
            loss = mse_loss(output.degraded_reference.score, mos[picks])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        network.eval()
        with torch.no_grad():
            held = np.flatnonzero(validation)
            scores = torch.cat(
                [
                    network(
                        normalise(to_tensor(samples[part, 0])), normalise(to_tensor(samples[part, 1]))
                    ).degraded_reference.score
                    for part in np.array_split(held, max(len(held) // 32, 1))
                ]
            )
        srcc = spearmanr(scores.numpy(), mos[held].numpy()).statistic
        print(json.dumps({"epoch": epoch + 1, "loss": float(np.mean(losses)), "srcc": float(srcc)}), flush=True)
        with whole(state) as path:
            torch.save(
                {
                    "network": network.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "schedule": schedule.state_dict(),
                    "epoch": epoch + 1,
                },
                path,
            )
    import dataclasses

    card = dataclasses.replace(
        entry.card,
        licence="research use only, as the photographs it was trained on ask",
        origin=f"recipes/ckdn/first_ckdn_s.py, seed {arguments.seed}; SRCC {srcc:.3f} with held-out labels",
    )
    half = {
        name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in network.state_dict().items()
    }
    print(write_weights(arguments.out / "ckdn-s.safetensors", half, card))


if __name__ == "__main__":
    main()
