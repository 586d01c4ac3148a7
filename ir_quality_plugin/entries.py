"""The explicit table of networks that are known by a name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from .models import CKDN, CVRKD, RestorationTeacher, TeacherIQAStudent
from .models.card import Card
from .scorers import CKDNScorer, CVRKDScorer, Scorer, TeacherIQAScorer

# The network that restores, from which teacheriqa-s started.
TEACHER = "teacheriqa-s_teacher"


@dataclass(frozen=True)
class Entry:
    """A scorer of the catalogue: the network's class, the scorer's, its card, and what the release says of its file.

    Attributes:
        network: class of the network; `card.network` holds the arguments that differ from its defaults.
        scorer: class of the scorer.
        card: of the scorer without weights.
        release: entries of the card that hold for the authors' released file; empty where there is no release.
    """

    network: Callable[..., nn.Module]
    scorer: Callable[..., Scorer]
    card: Card
    release: dict[str, Any]


@dataclass(frozen=True)
class Restorer:
    """A network that restores, and does not score; the entries are those of `Entry`, the range that of its pixels."""

    network: Callable[..., nn.Module]
    card: Card
    release: dict[str, Any] = field(default_factory=dict)


_TEACHER_IQA = Entry(
    TeacherIQAStudent,
    TeacherIQAScorer,
    Card(
        name="teacheriqa",
        method="teacheriqa",
        reference="none",
        score_range=(0.0, 100.0),
        bounded=False,
        patch_px=224,
        patches=25,
        normalisation="imagenet",
        protocol="grid",
        released_protocol="mean over 25 random crops of 224 px (here from a fixed seed), no resize",
        source="Chen et al., Teacher-Guided Learning for Blind Image Quality Assessment, ACCV 2022",
    ),
    {
        "normalisation": "none",
        "protocol": "released",
        "origin": "the authors' koniq_teacher_iqa.pkl, trained on KonIQ-10k",
        "licence": "none stated by the authors",
    },
)
_CKDN = Entry(
    CKDN,
    CKDNScorer,
    Card(
        name="ckdn",
        method="ckdn",
        reference="degraded",
        score_range=(0.0, 1.0),
        bounded=True,
        patch_px=288,
        patches=None,
        normalisation="imagenet",
        protocol="whole",
        released_protocol="shorter side to 329 px (restored bicubic, degraded nearest), central 288 px",
        source="Zheng et al., Learning Conditional Knowledge Distillation for Degraded-Reference IQA, ICCV 2021",
    ),
    {
        "protocol": "released",
        "origin": "the authors' CKDN_model_best-38b27dc6.pth, trained on PIPAL",
        "licence": "MIT",
    },
)
_CVRKD = Entry(
    CVRKD,
    CVRKDScorer,
    Card(
        name="cvrkd",
        method="cvrkd",
        reference="any-clean",
        score_range=(1.0, 5.0),
        bounded=False,
        patch_px=224,
        patches=10,
        normalisation="imagenet",
        protocol="grid",
        released_protocol="ten random crops of 224 px of each image (here from a fixed seed), no resize",
        source="Yin et al., Content-Variant Reference Image Quality Assessment via Knowledge Distillation, AAAI 2022",
    ),
    {
        "protocol": "released",
        "origin": "the authors' FR_teacher_cross_dataset.pth or NAR_student_cross_dataset.pth, trained on KADID-10k",
        "licence": "MIT",
    },
)


def _compact(entry: Entry, patches: int | None, patch_px: int, network: dict[str, Any]) -> Entry:
    named = dataclasses.replace(entry.card, name=f"{entry.card.name}-s", score_range=(0.0, 1.0))
    card = dataclasses.replace(named, patches=patches, patch_px=patch_px, network=network)
    return dataclasses.replace(entry, card=card, release={})


_COMPACT_TRUNK = {"stem_width": 32, "planes": (16, 32, 48, 64), "depths": (2, 2, 2, 2)}
_COMPACT_MIXERS = {"local_width": 16, "grid": 6, "width": 64, "quality_depth": 4, "difference_depth": 8}

_ENTRIES = (
    _TEACHER_IQA,
    _CKDN,
    _CVRKD,
    _compact(_TEACHER_IQA, 9, 96, {**_COMPACT_TRUNK, "width": 32, "patch_px": 96}),
    _compact(_CKDN, None, 128, {"stem_width": 32, "planes": (16, 32), "depths": (2, 2), "hidden": 256, "dropout": 0.2}),
    _compact(_CVRKD, 4, 96, {**_COMPACT_TRUNK, **_COMPACT_MIXERS, "patches": 4}),
)
CATALOG = {entry.card.name: entry for entry in _ENTRIES}
_RESTORER = dataclasses.replace(
    CATALOG["teacheriqa-s"].card,
    name=TEACHER,
    network=_COMPACT_TRUNK,
    patches=None,
    normalisation="none",
    bounded=True,
    protocol="whole",
    released_protocol="none",
)
NAMED: dict[str, Entry | Restorer] = CATALOG | {TEACHER: Restorer(RestorationTeacher, _RESTORER)}
