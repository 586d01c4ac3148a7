"""Make triplets of a folder of photographs, in several processes; an interrupted run goes on."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image
from torch import nn
from tqdm import tqdm

from ..checkpoints.read import read_weights
from ..checkpoints.write import whole, why
from ..data.images import read_image
from ..data.lock import locked
from ..data.restorers import RESTORERS, to_8_bits
from ..data.triplets import Making, content_of, crop, degraded_input, plan, restorations
from ..data.workers import spread_work
from ..errors import CheckpointError, ImageError, UsageError
from .saved_networks import SavedNetwork

MADE, LOCK = "made.json", ".irq.lock"
FOLDERS = ("reference", "degraded", "restored")
UNFINISHED = ".*.unfinished"
COLUMNS = ("image", "reference", "degraded", "content", "distortion")


class Made(NamedTuple):
    """What was done: rows of the table, and reasons for photographs that were left out with their counts."""

    triplets: int
    failures: Counter[str]


class Files(NamedTuple):
    """Where the pictures of one photograph go, relative to the output folder."""

    reference: str
    degraded: list[str]
    restored: list[dict[str, str]]


def make_triplets(
    photographs: Sequence[Path], out: Path, making: Making, networks: Sequence[SavedNetwork] = (), workers: int = 1
) -> Made:
    """Make triplets, and their table.

    Writes `out/reference/CONTENT.png`, `out/degraded/CONTENT_INPUT.png`, `out/restored/CONTENT_INPUT_RESTORER.png`, and
    `out/table.csv` with the columns image, reference, degraded, content, distortion (the restorer's name): what
    `irq label` reads. The pictures of a photograph depend on its name and pixels, on `making` and on the networks, and
    on nothing else: what is there already is kept, so that a run that was killed ends with the same files as any other.

    Args:
        photographs: clean images of different names.
        out: folder for everything; new, or of an earlier run with the same `making` and networks.
        making: how.
        networks: of the user, each for inputs of its own scale.
        workers: processes.

    Returns:
        Counts, and why photographs were left out.

    Raises:
        UsageError: a folder that holds other things, or in which another run is at work; a network that fits none of
            the scales.
        CheckpointError: weights that do not fit, or a folder that cannot be written to.
        ImageError: not one photograph could be used.
    """
    _refuse_other_things(out)  # before a lock is laid into it
    with locked(out / LOCK, f"--out {out}"):
        return _make(photographs, out, making, networks, workers)


def _make(
    photographs: Sequence[Path], out: Path, making: Making, networks: Sequence[SavedNetwork], workers: int
) -> Made:
    named = {_name_of(network): network for network in networks}
    if len(named) < len(networks):
        raise UsageError("two networks have one name; expected files of different names: rename one")
    scales = {name: _scale_of(network, making) for name, network in named.items()}
    _begin_folder(out, making, named)
    contents = {content_of(path.name): path for path in photographs}
    if len(contents) < len(photographs):
        raise UsageError(f"{len(photographs)} photographs have {len(contents)} names; expected different ones")
    files = {content: _files(content, making, scales) for content in contents}
    missing = [(path, content) for content, path in contents.items() if not _is_made(out, files[content])]
    done = spread_work(_prepare, (out, making, named, scales), missing, workers)
    reasons = dict(tqdm(done, total=len(missing), desc="making", disable=None))
    rows = [row for content in contents if not reasons.get(content) for row in _rows(content, files[content])]
    if not rows:
        raise ImageError(f"no photograph could be used: {next(iter(reasons.values()), 'there is none')}")
    with whole(out / "table.csv") as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    return Made(len(rows), Counter(reason for reason in reasons.values() if reason))


def _name_of(network: SavedNetwork) -> str:
    """A network's name in file names and in the column of distortions: that of its run, and of its file."""
    run = network.weights.absolute().parent.parent.name if network.weights.stem.startswith("net_g") else ""
    name = re.sub(r"[^A-Za-z0-9]+", "_", f"{run}_{network.weights.stem}").strip("_")
    return f"{name}_network" if name in RESTORERS else name


@torch.inference_mode()
def _scale_of(network: SavedNetwork, making: Making) -> int:
    """By which of the scales a network enlarges."""
    built, found = network.build(), []
    for scale in making.scales:
        side = making.crop_px // scale
        try:
            shape = tuple(built(torch.zeros(1, 3, side, side)).shape)
        except (RuntimeError, AttributeError, TypeError) as error:
            found.append(f"{side} px: {str(error).splitlines()[0]}")
            continue
        if shape == (1, 3, making.crop_px, making.crop_px):
            return scale
        found.append(f"{side} px: {shape}")
    raise UsageError(
        f"{network.weights} makes no {making.crop_px} px picture of any input: {'; '.join(found)}; expected a network "
        f"that enlarges by one of {', '.join(map(str, making.scales))}: add its scale"
    )


def _refuse_other_things(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: it is a file; expected a folder")
    ours = {out / LOCK, *out.glob(UNFINISHED)}
    if out.is_dir() and not (out / MADE).is_file() and set(out.iterdir()) - ours:
        raise UsageError(f"--out {out}: it holds other things; expected a new folder, or one of an earlier run")


def _begin_folder(out: Path, making: Making, networks: Mapping[str, SavedNetwork]) -> None:
    """Refuse a folder that was made in another way; remove what a killed run left half-written."""
    made = out / MADE
    identities = {
        name: [read_weights(network.weights).sha256, dict(network.architecture)] for name, network in networks.items()
    }
    how = json.dumps({**dataclasses.asdict(making), "networks": identities}, indent=1, default=str) + "\n"
    if made.is_file() and made.read_text(encoding="utf-8") != how:
        raise UsageError(
            f"--out {out}: its triplets were made with other options (made.json); expected the same ones to go on, or "
            "a new folder"
        )
    with whole(made) as unfinished:  # before anything else: a folder of ours has it
        unfinished.write_text(how, encoding="utf-8")
    try:
        for name in FOLDERS:
            (out / name).mkdir(parents=True, exist_ok=True)
        for folder in (out, *(out / name for name in FOLDERS)):
            for left in folder.glob(UNFINISHED):
                left.unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(f"--out {out}: {why(out, error)}; check the folder and the disk") from error


def _files(content: str, making: Making, scales: Mapping[str, int]) -> Files:
    planned = plan(content, making, scales)
    return Files(
        f"reference/{content}.png",
        [f"degraded/{content}_{index}.png" for index in range(len(planned))],
        [
            {name: f"restored/{content}_{index}_{name}.png" for name, _ in each.restorers}
            for index, each in enumerate(planned)
        ],
    )


def _is_made(out: Path, files: Files) -> bool:
    listed = [files.reference, *files.degraded, *(path for each in files.restored for path in each.values())]
    return all((out / path).is_file() for path in listed)


def _rows(content: str, files: Files) -> list[tuple[str, ...]]:
    return [
        (image, files.reference, degraded, content, name)
        for degraded, restored in zip(files.degraded, files.restored, strict=True)
        for name, image in restored.items()
    ]


def _prepare(
    out: Path, making: Making, networks: Mapping[str, SavedNetwork], scales: Mapping[str, int]
) -> Callable[[tuple[Path, str]], tuple[str, str]]:
    cv2.setNumThreads(1)
    built: dict[str, nn.Module] = {name: network.build() for name, network in networks.items()}

    def make(item: tuple[Path, str]) -> tuple[str, str]:
        """Make all pictures of a photograph; gives its name, and the reason if that could not be done."""
        path, content = item
        try:
            clean = crop(read_image(path), making.crop_px, f"{making.seed}/{content}")
        except ImageError as error:
            text = str(error)
            return content, text if str(path) in text else f"cannot use {path}: {text}"
        files = _files(content, making, scales)
        reference = to_8_bits(clean.permute(1, 2, 0).numpy())
        _write(out / files.reference, reference)
        for index, planned in enumerate(plan(content, making, scales)):
            degraded = degraded_input(clean, planned)
            _write(out / files.degraded[index], degraded)
            for name, picture in restorations(reference, degraded, planned, built):
                _write(out / files.restored[index][name], picture)
        return content, ""

    return make


def _write(path: Path, picture: np.ndarray) -> None:
    with whole(path) as unfinished:
        Image.fromarray(picture).save(unfinished, "png")
