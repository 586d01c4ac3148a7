"""`irq demo`: the main job on real photographs, in minutes, with a page to look at."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..data.results_folder import LOCK, OWNER, held
from ..errors import UsageError
from .extras import require

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

TILE_PX = 192
PLAIN, WITH_TERM = "L1", "L1 + CKDN term"
ENLARGED = ("bicubic", PLAIN, WITH_TERM)
OPTIMISED = "ckdn-s"
SCORERS = (OPTIMISED, "teacheriqa-s", "cvrkd-s")
PYIQA = ("psnr", "ssim", "fsim", "vsi", "gmsd")
# Photographs that scikit-image and matplotlib carry: what is trained on, and what is tested on.
TRAINED_ON = (
    "astronaut.png",
    "chelsea.png",
    "rocket.jpg",
    "motorcycle_left.png",
    "grass.png",
    "gravel.png",
    "brick.png",
)
TESTED_ON = ("coffee.png", "grace_hopper.jpg")


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything that it makes.")] = Path("demo"),
    iterations: Annotated[int, typer.Option(min=2, help="Of each of the two trainings.")] = 500,
) -> None:
    """Train a small network with and without the quality term, and compare them on one page.

    Everything is made in OUT; a second call begins anew.
    """
    began = time.perf_counter()
    require("basicsr", "skimage", "pyiqa")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: it is a file; expected a folder")
    if out.is_dir() and not (out / OWNER).is_file() and any(not path.name.startswith(LOCK) for path in out.iterdir()):
        raise UsageError(
            f"--out {out}: the folder holds other things, and no {OWNER} says that a demo made them; expected a new "
            "one, or one of an earlier demo"
        )
    with held(out.absolute(), "demo"), contextlib.chdir(out):
        cut_photographs(Path("photographs"))
        seconds = {name: train(recipe, iterations) for name, recipe in ((PLAIN, "l1"), (WITH_TERM, "l1_ckdn"))}
        scores, pictures = evaluate()
        page = write(scores, pictures, seconds, time.perf_counter() - began)
    typer.echo(f"The page: {(out / page).resolve()}")


def cut_photographs(folder: Path) -> None:
    """Copy the photographs to train on, and cut those to test on into squares."""
    import skimage
    from matplotlib import get_data_path
    from PIL import Image

    homes = Path(skimage.__file__).parent / "data", Path(get_data_path()) / "sample_data"
    shutil.rmtree(folder, ignore_errors=True)
    for part, names in (("train", TRAINED_ON), ("test", TESTED_ON)):
        (folder / part).mkdir(parents=True)
        for name in names:
            source = next((home / name for home in homes if (home / name).is_file()), None)
            if source is None:
                raise UsageError(f"{name} is in neither scikit-image nor matplotlib; install both anew: make env")
            image = Image.open(source).convert("RGB")
            if part == "train":
                image.save(folder / part / f"{source.stem}.png")
                continue
            corners = [
                (left, top)
                for top in range(0, image.height - TILE_PX + 1, TILE_PX)
                for left in range(0, image.width - TILE_PX + 1, TILE_PX)
            ]
            for index, (left, top) in enumerate(corners):
                tile = image.crop((left, top, left + TILE_PX, top + TILE_PX))
                tile.save(folder / part / f"{source.stem}_{index}.png")


def train(recipe: str, iterations: int) -> float:
    """Train one of the two option files; gives the median seconds of an iteration."""
    from ..integrations.register import register

    register()
    from ..engine.loop import train as run
    from ..engine.options import read_options
    from .recipes import SHIPPED
    from .train import _say

    overrides = [
        f"train.total_iter={iterations}",
        f"train.scheduler.periods=[{iterations}]",
        f"val.val_freq={max(iterations // 2, 1)}",
        f"logger.save_checkpoint_freq={iterations}",
        f"logger.print_freq={max(min(iterations // 16, 50), 1)}",
    ]
    folder = run(read_options(SHIPPED / "demo" / f"{recipe}.yml", overrides), Path("."), say=_say)
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    times = sorted(entry["time"] for entry in entries if entry["kind"] == "train")
    return float(times[len(times) // 2])


def evaluate() -> tuple[dict[str, dict[str, list[float]]], list[dict[str, np.ndarray]]]:
    """Score what the two networks, and bicubic interpolation, make of the test photographs; and the clean ones.

    Returns:
        Scores by metric and method, one a photograph; and the pictures, by method.
    """
    import torch

    from ..engine.build import build_generator
    from ..engine.options import read_options
    from ..integrations.basicsr_datasets import DegradedOnTheFlyDataset
    from ..integrations.metric import build_metrics
    from .recipes import SHIPPED

    networks = {}
    for name, recipe in ((PLAIN, "l1"), (WITH_TERM, "l1_ckdn")):
        weights = [
            f"path.pretrain_network_g=experiments/{recipe}/models/net_g_latest.pth",
            "path.param_key_g=params_ema",
        ]
        networks[name] = build_generator(read_options(SHIPPED / "demo" / f"{recipe}.yml", weights)).eval()
    options = read_options(SHIPPED / "demo" / "l1.yml").datasets["val"]
    dataset = DegradedOnTheFlyDataset({**options, "phase": "val", "scale": 4})
    metrics = build_metrics(SCORERS, PYIQA)
    scores: dict[str, dict[str, list[float]]] = {name: {} for name in metrics}
    pictures = []
    with torch.no_grad():
        for index in range(len(dataset)):
            sample = dataset[index]
            small, clean = sample["lq"][None], sample["gt"][None]
            another = dataset[(index + 1) % len(dataset)]["gt"][None]  # any clean image will do for cvrkd-s
            shown: dict[str, Tensor] = {"bicubic": _enlarge(small, "bicubic")}
            shown |= {name: network(small).clamp(0, 1) for name, network in networks.items()}
            shown["clean"] = clean
            for method, image in shown.items():
                for name, metric in metrics.items():
                    if method == "clean" and metric.aligned:
                        continue  # it is the reference itself
                    reference = clean if metric.aligned else another
                    scores[name].setdefault(method, []).append(metric(image, small, reference).item())
            pictures.append({"input": _to_rgb(_enlarge(small, "nearest"))} | {m: _to_rgb(i) for m, i in shown.items()})
    return scores, pictures


def _enlarge(small: Tensor, mode: str) -> Tensor:
    from torch.nn.functional import interpolate

    return interpolate(small, scale_factor=4, mode=mode).clamp(0, 1)


def _to_rgb(image: Tensor) -> np.ndarray:
    return (image[0].permute(1, 2, 0) * 255).round().byte().numpy()


def write(
    scores: dict[str, dict[str, list[float]]],
    pictures: list[dict[str, np.ndarray]],
    seconds: dict[str, float],
    elapsed: float,
) -> Path:
    """Write the page, and the scores beside it."""
    from ..catalog import load_scorer
    from ..checkpoints.write import whole
    from ..report.page import picture, write_page

    share = 1 - seconds[PLAIN] / seconds[WITH_TERM]
    with whole("scores.json") as path:
        path.write_text(json.dumps({"scores": scores, "seconds_an_iteration": seconds}, indent=1))
    step = max(len(pictures) // 5, 1)
    return write_page(
        Path("demo.html"),
        "demo.html.j2",
        title="What a quality term does to a super-resolution network",
        subtitle=f"irq demo, {elapsed / 60:.1f} minutes on this machine",
        images=len(pictures),
        methods=[*ENLARGED, "clean"],
        rows=[row(name, by_method) for name, by_method in scores.items()],
        pictures=[
            [{"name": name, "source": picture(image)} for name, image in shown.items()]
            for shown in pictures[::step][:5]
        ],
        cost=(
            f"An iteration took {seconds[PLAIN]:.3f} s without the term and {seconds[WITH_TERM]:.3f} s with it "
            f"(medians): {share:.0%} of the time was the term's."
        ),
        scorer=load_scorer(OPTIMISED).card.origin,
    )


def row(metric: str, by_method: dict[str, list[float]]) -> dict[str, Any]:
    """One line of the table."""
    import numpy as np

    from ..metrics.intervals import mean_interval

    higher = metric != "gmsd"
    means = {method: float(np.mean(values)) for method, values in by_method.items()}
    best = (max if higher else min)(ENLARGED, key=lambda method: means[method])
    gains = (np.array(by_method[WITH_TERM]) - np.array(by_method[PLAIN])) * (1 if higher else -1)
    low, high = mean_interval(gains)
    digits = 2 if metric == "psnr" else 4
    return {
        "metric": metric,
        "higher": higher,
        "optimised": metric == OPTIMISED,
        "cells": [
            {"text": f"{means[method]:.{digits}f}" if method in means else "–", "best": method == best}
            for method in (*ENLARGED, "clean")
        ],
        "gain": f"{gains.mean():+.{digits}f}  [{low:+.{digits}f}, {high:+.{digits}f}]",
    }
