"""Validation over any number of processes: every image once, every score kept by image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from PIL import Image
from torch import nn

from ..checkpoints.write import whole
from ..errors import QualityPluginError
from ..integrations import basicsr_parts as parts_of
from .seeds import mix, seeded

Scores = dict[str, dict[str, float]]
"""Scores by metric and image."""


@dataclass(frozen=True)
class Validation:
    """One validation of one set of images.

    Attributes:
        name: of the set.
        iteration: at which it was made.
        scores: by metric and image.
    """

    name: str
    iteration: int
    scores: Scores

    def mean(self, metric: str) -> float:
        """The mean over images."""
        values = list(self.scores[metric].values())
        return sum(values) / len(values)

    def means(self) -> dict[str, float]:
        """The mean of every metric."""
        return {metric: self.mean(metric) for metric in self.scores}


class Interrupted(QualityPluginError):  # noqa: N818  # no error of anything
    """A validation that ended before all images were scored, on all processes, since one was asked to stop."""


def share_of(length: int, accelerator: Accelerator, asked: Callable[[], bool]) -> Iterator[int]:
    """The images of this process, until it is asked to stop."""
    for index in range(accelerator.process_index, length, accelerator.num_processes):
        if asked():
            return
        yield index


def end_together(problems: list[str], iteration: int, asked: Callable[[], bool]) -> None:
    """Hear from all processes how their share went.

    Args:
        problems: of this process.
        iteration: of the training.
        asked: whether this process is to stop.

    Raises:
        Interrupted: some process was asked to stop.
        QualityPluginError: an image could not be loaded or scored.
    """
    problems, stops = gather_object(problems), gather_object([asked()])
    if any(stops):
        raise Interrupted(f"the validation at iteration {iteration} was interrupted")
    if problems:
        raise QualityPluginError(f"the validation at iteration {iteration} failed: " + "; ".join(problems[:3]))


def validate(
    network: nn.Module,
    dataset: Any,
    metrics: Mapping[str, Mapping[str, Any]],
    accelerator: Accelerator,
    name: str,
    iteration: int,
    pictures: Path | None,
    seed: int,
    asked: Callable[[], bool],
) -> Validation:
    """Restore and score every image of a set, each on one process.

    Args:
        network: on the process's device, not prepared; its mode is restored afterwards.
        dataset: of BasicSR: `lq`, `lq_path` and, where there is one, `gt`.
        metrics: `val.metrics`.
        accelerator: of this process.
        name: of the set.
        iteration: of the training.
        pictures: folder for restored images; None for none.
        seed: of whatever is random in the dataset.
        asked: whether the run is to stop.

    Returns:
        The scores of all images, on every process.

    Raises:
        Interrupted: a process was asked to stop.
        QualityPluginError: an image cannot be loaded or scored: on every process, with its name.
    """
    rows, problems = [], []
    mode = network.training
    network.eval()
    for index in share_of(len(dataset), accelerator, asked):
        try:
            with seeded(mix(seed, "validation", index)):
                sample = dataset[index]
            rows.append((index, *_score(network, sample, metrics, accelerator.device, iteration, pictures)))
        except Exception as error:  # noqa: BLE001  # of anybody's dataset or metric; the other processes must hear of it
            problems.append(f"image {index} of {name}: {type(error).__name__}: {error}")
    network.train(mode)
    end_together(problems, iteration, asked)
    gathered = sorted(gather_object(rows))
    stems = [image for _, image, _ in gathered]
    twice = sorted({image for image in stems if stems.count(image) > 1})
    if twice:
        raise QualityPluginError(f"{name}: several images are named {twice[0]}; expected each name once: rename them")
    if [index for index, *_ in gathered] != list(range(len(dataset))):
        raise QualityPluginError(f"{name}: {len(gathered)} of {len(dataset)} images were scored; run it again")
    return Validation(name, iteration, {m: {image: scores[m] for _, image, scores in gathered} for m in metrics})


def _score(
    network: nn.Module,
    sample: Mapping[str, Any],
    metrics: Mapping[str, Mapping[str, Any]],
    device: torch.device,
    iteration: int,
    pictures: Path | None,
) -> tuple[str, dict[str, float]]:
    degraded = sample["lq"][None].to(device)
    with torch.no_grad():
        restored = parts_of.to_picture(network(degraded))
    clean = parts_of.to_picture(sample["gt"][None]) if "gt" in sample else None
    image = Path(sample["lq_path"]).stem
    if pictures is not None:
        with whole(pictures / image / f"{image}_{iteration}.png") as path:
            Image.fromarray(restored[..., ::-1]).save(path, format="png")
    return image, {name: parts_of.measure(options, restored, clean, degraded) for name, options in metrics.items()}
