"""Which metrics a run names, and what they cannot do without, before any of them is built."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..catalog import CATALOG, find_entry
from ..errors import MissingInputError, UsageError, nearest

DEFAULT = "default"
NEEDS = {"degraded": "degraded", "any-clean": "reference", "aligned": "reference"}
# They compare sets of images, not one with another.
OF_SETS = ("fid", "sfid", "fid_dinov2", "inception_score")


@dataclass(frozen=True)
class Request:
    """A metric as it was asked for; nothing is built.

    Attributes:
        name: in tables; no two of a run are alike.
        kind: whose it is.
        key: its name there.
        weights: of a scorer: "default", "random" or a file.
        needs: None, "degraded" or "reference".
    """

    name: str
    kind: Literal["scorer", "pyiqa"]
    key: str
    weights: str
    needs: str | None


def requests(scorers: Sequence[str], pyiqa: Sequence[str]) -> list[Request]:
    """Read the metrics that a run names, scorers first.

    A scorer is called by its name, with the stem of its weights where they were named, and with their last folders
    where two are still alike; a pyiqa metric of a scorer's name is called `pyiqa NAME`.

    Args:
        scorers: names of the catalogue, or NAME=WEIGHTS with a file's path or `random`.
        pyiqa: names, as pyiqa lists them.

    Raises:
        UsageError: none is named, one is named twice, or unknown.
    """
    if not scorers and not pyiqa:
        raise UsageError("no metric is named; expected --scorer ckdn-s, say, or --pyiqa ssim; `irq weights ls` lists")
    twice = {name for names in (scorers, pyiqa) for name, count in Counter(names).items() if count > 1}
    if twice:
        raise UsageError(f"{', '.join(sorted(twice))} is named twice; name each metric once")
    parts = [_parts(scorer) for scorer in scorers]
    shown = _told_apart(parts)
    found = [
        Request(name, "scorer", key, weights or DEFAULT, NEEDS.get(find_entry(key).card.reference))
        for name, (key, weights) in zip(shown, parts, strict=True)
    ]
    return found + [
        Request(f"pyiqa {name}" if name in shown else name, "pyiqa", name, DEFAULT, pyiqa_needs(name)) for name in pyiqa
    ]


def _parts(scorer: str) -> tuple[str, str]:
    name, equals, weights = scorer.partition("=")
    if not name or bool(equals) != bool(weights):
        raise UsageError(f"--scorer {scorer}: expected NAME, or NAME=FILE with weights of your own (or NAME=random)")
    return name, weights


def _told_apart(parts: Sequence[tuple[str, str]]) -> list[str]:
    """Names with as many of their weights' last folders as it takes to tell them apart."""
    deepest = max([1, *(len(Path(weights).parts) for _, weights in parts)])
    for folders in range(1, deepest + 1):
        shown = [f"{name} ({_end_of(weights, folders)})" if weights else name for name, weights in parts]
        if len(set(shown)) == len(shown):
            break
    return shown


def _end_of(weights: str, folders: int) -> str:
    return "/".join(Path(weights).with_suffix("").parts[-folders:])


def check_needs(scorers: Sequence[str], pyiqa: Sequence[str], given: Mapping[str, bool]) -> None:
    """Say what is missing before anything is built or read.

    Args:
        scorers: as in `requests`.
        pyiqa: as in `requests`.
        given: whether there is a "degraded" and a "reference" folder.

    Raises:
        UsageError: no metric at all, one named twice, or an unknown one.
        MissingInputError: names every metric that lacks its folder.
    """
    wanted = requests(scorers, pyiqa)
    missing = [f"{one.name} needs --{one.needs} DIR" for one in wanted if one.needs and not given[one.needs]]
    if missing:
        blind = ", ".join(name for name, entry in CATALOG.items() if entry.card.reference == "none")
        raise MissingInputError(f"{'; '.join(missing)}; give it, or use a metric that needs nothing, such as {blind}")


def pyiqa_needs(name: str) -> str | None:
    """What a pyiqa metric cannot do without beside the image: "reference" or None; nothing is built.

    Raises:
        UsageError: pyiqa is not installed, has no such metric, or it is not one of single images.
    """
    try:
        from pyiqa.default_model_configs import DEFAULT_CONFIGS
    except ImportError as error:
        raise UsageError("pyiqa is not installed; pip install 'ir-quality-plugin[pyiqa]'") from error
    if name not in DEFAULT_CONFIGS:
        raise UsageError(f"pyiqa has no metric {name!r}; {nearest(name, DEFAULT_CONFIGS)}")
    if name in OF_SETS:
        raise UsageError(f"pyiqa's {name} compares sets of images; expected one that scores a single image, as ssim")
    return "reference" if DEFAULT_CONFIGS[name]["metric_mode"] == "FR" else None
