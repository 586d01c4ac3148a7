"""What can be found before training: folders, pairs, sizes, files that are no images, space on the disk."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ..data.csv_file import read_lines
from ..data.images import UNREADABLE, check_scans, list_images, opened
from ..errors import UsageError
from .options import Options

SHOWN = 5
# Sets up to this many pairs are decoded whole; of larger ones the headers are read.
DECODED = 1000


def preflight(options: Options) -> None:
    """Look at every set of images that lies in folders.

    Raises:
        UsageError: names the folder or the images, what was expected, and how to go on.
    """
    for name, dataset in options.datasets.items():
        if (dataset.get("io_backend") or {"type": "disk"}).get("type") != "disk":
            continue
        roots = {key: Path(dataset[key]).expanduser() for key in ("dataroot_gt", "dataroot_lq") if dataset.get(key)}
        for key, root in roots.items():
            if not root.is_dir():
                raise UsageError(
                    f"datasets.{name}.{key}={root}: no such folder; relative paths start at {Path.cwd()}, "
                    "where the command was started"
                )
        listed = next((dataset[key] for key in ("meta_info_file", "meta_info") if dataset.get(key)), None)
        if listed is not None and not read_lines(Path(listed)):
            raise UsageError(f"datasets.{name}: {listed} has no line; expected the name of an image in each")
        if dataset.get("type") == "PairedImageDataset" and listed is None:
            for key in ("dataroot_gt", "dataroot_lq"):
                if key not in roots:
                    raise UsageError(f"datasets.{name}.{key} is missing; expected a folder of images")
            check_pairs(name, dataset, roots["dataroot_gt"], roots["dataroot_lq"], options.scale)


def check_pairs(name: str, dataset: dict[str, Any], clean: Path, degraded: Path, scale: int) -> None:
    """Check that images pair by name, can be opened, and differ in size by the scale.

    Raises:
        UsageError: lists the first of those that do not.
    """
    template = dataset.get("filename_tmpl", "{}")
    references, inputs = _by_stem(name, clean), _by_stem(name, degraded)
    expected = {template.format(stem): stem for stem in references}
    alone = sorted(set(inputs) - set(expected)), sorted(set(expected) - set(inputs))
    if any(alone):
        lines = [
            f"in {folder} alone: {_first(names)}"
            for folder, names in zip((degraded, clean), alone, strict=True)
            if names
        ]
        raise UsageError(f"datasets.{name}: images do not pair by name; {'; '.join(lines)}; expected one of each")
    problems = []
    training = name.split("_")[0] == "train"
    for stem, reference in sorted(expected.items()):
        try:
            decode = len(expected) <= DECODED
            large, small = _size(references[reference], decode), _size(inputs[stem], decode)
        except UNREADABLE as error:
            problems.append(f"{stem}: {error}")
            continue
        whole = tuple(side * scale for side in small)
        if large != whole and (training or any(side < other for side, other in zip(large, whole, strict=True))):
            problems.append(f"{inputs[stem].name} is {small[0]}x{small[1]} and its clean image {large[0]}x{large[1]}")
        elif training and dataset.get("gt_size") and min(large) < int(dataset["gt_size"]):
            problems.append(
                f"{references[reference].name} is {large[0]}x{large[1]}, less than gt_size={dataset['gt_size']}"
            )
    if problems:
        raise UsageError(
            f"datasets.{name}: {len(problems)} of {len(expected)} pairs cannot be used at scale {scale}: "
            f"{_first(problems, '; ')}; mend or remove them"
        )


def check_space(folder: Path, needed: int) -> None:
    """Refuse to start where not even one state fits.

    Raises:
        UsageError: says how much is free.
    """
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UsageError(
            f"{folder} has {free / 2**20:.0f} MiB free, one state takes about {needed / 2**20:.0f} MiB; "
            "free some, or choose another --root"
        )


def _by_stem(name: str, folder: Path) -> dict[str, Path]:
    images = list_images(folder)
    others = [path.name for path in folder.iterdir() if path not in images and not path.name.startswith(".")]
    if others:
        raise UsageError(
            f"datasets.{name}: {folder} holds what is no image: {_first(sorted(others))}; expected images alone, since "
            "BasicSR's datasets read every file; move it away"
        )
    found = {path.stem: path for path in images}
    if len(found) < len(images):
        twice = sorted(path.name for path in images if found[path.stem] != path)
        raise UsageError(
            f"datasets.{name}: images of {folder} share a name but for their ending: {_first(twice)}; expected each "
            "once; rename or remove them"
        )
    return found


def _size(path: Path, decode: bool) -> tuple[int, int]:
    with opened(path) as image:
        if decode:
            check_scans(path, image)
            image.load()
        return image.size


def _first(names: list[str], between: str = ", ") -> str:
    more = f"{between}and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return between.join(names[:SHOWN]) + more
