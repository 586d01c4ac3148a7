"""What is probed: the images that have their partners, and the metrics that can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..data.folders import DEGRADED, REFERENCE, RESTORED, Unpaired, pair_folders
from ..data.images import read_image
from ..data.results_folder import place
from ..errors import ImageError, UsageError
from ..integrations.metric import Metric
from ..version import __version__
from .gaming import Attack, Images, has_gradient, prepare


@dataclass(frozen=True)
class Plan:
    """What is probed, and how.

    Attributes:
        images: folder of the restored images.
        degraded: folder of their inputs; None to reduce each image four times instead.
        reference: folder of the clean images; None where there are none.
        attack: numbers of the ascent.
        side_px: side of the middle that is used of each image.
        limit: images at most, spread evenly over the folder.
        match: patterns of `pair_folders`, by "restored", "degraded", "reference", or "" for all.
    """

    images: Path
    degraded: Path | None = None
    reference: Path | None = None
    attack: Attack = field(default_factory=Attack)
    side_px: int = 256
    limit: int = 16
    match: Mapping[str, str] = field(default_factory=dict)


class Subject(NamedTuple):
    """One restored image.

    Attributes:
        name: of its pictures.
        files: path by "restored", "degraded" and "reference", as far as these are given.
    """

    name: str
    files: dict[str, Path]


def find_subjects(plan: Plan) -> tuple[list[Subject], tuple[Unpaired, ...]]:
    """Pair the folders, and take so many images, evenly, of those that have all their partners.

    Returns:
        The images, and everything that has no partner.

    Raises:
        UsageError: no such folder, no image in it, two files of one image, or no image that has its partners.
    """
    if not plan.images.is_dir():
        raise UsageError(f"--images {plan.images}: there is no such folder; expected the folder of the images")
    pairing = pair_folders({RESTORED: plan.images}, plan.degraded, plan.reference, plan.match)
    found = []
    for image in pairing.images:
        files = {role: of_role[image] for role, of_role in pairing.files.items() if image in of_role}
        if len(files) == len(pairing.files):
            found.append(Subject(image, files))
    if not found:
        first = pairing.unpaired[0]
        raise UsageError(
            f"no image of {plan.images} has all of its partners; the first, {first.file} ({first.folder}): "
            f"{first.reason}; say how the names differ with --match"
        )
    step = max(len(found) / plan.limit, 1)
    return [found[int(index * step)] for index in range(min(plan.limit, len(found)))], pairing.unpaired


def check_metrics(metrics: Mapping[str, Metric], plan: Plan, subjects: Sequence[Subject], device: str) -> None:
    """Say before the run which metric cannot be driven up.

    Raises:
        UsageError: metrics through which no gradient reaches the first image that can be read.
    """
    images = next(_readable(subjects, plan, device), None)
    flat = [name for name, metric in metrics.items() if images and not _climbable(metric, images, plan.attack)]
    if flat:
        raise UsageError(
            f"{', '.join(flat)}: not differentiable, no gradient reaches the image; expected metrics that can be "
            f"driven up by it; leave {'it' if len(flat) == 1 else 'them'} out"
        )


def _readable(subjects: Sequence[Subject], plan: Plan, device: str) -> Iterator[Images]:
    for subject in subjects:
        try:
            yield read_subject(subject, plan, device)
        except ImageError:  # it is listed once its turn has come
            continue


def _climbable(metric: Metric, images: Images, attack: Attack) -> bool:
    try:
        return has_gradient(metric, images, attack)
    except ImageError:  # says nothing of gradients; it is listed once the image's turn has come
        return True


def read_subject(subject: Subject, plan: Plan, device: str) -> Images:
    """Read a restored image and what it is judged against, and cut them together.

    Raises:
        ImageError: what cannot be read, or does not belong together.
    """
    read = {role: read_image(path)[None].to(device) for role, path in subject.files.items()}
    return prepare(Images(read[RESTORED], read.get(DEGRADED), read.get(REFERENCE)), plan.side_px)


def options_of(plan: Plan, metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """What the results depend on, by plain names."""
    folders = {"images": plan.images, DEGRADED: plan.degraded, REFERENCE: plan.reference}
    return {
        "version": __version__,
        **{name: folder and place(folder) for name, folder in folders.items()},
        **asdict(plan.attack),
        "side_px": plan.side_px,
        "limit": plan.limit,
        "match": dict(plan.match),
        "metrics": {name: metric.about for name, metric in metrics.items()},
    }
