"""Judged images as a dataset: patches and opinions to train a scorer on, whole images to validate it on."""

from __future__ import annotations

import dataclasses
import os
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..errors import ImageError, UsageError
from ..nn.crops import Origin, random_origins, take_patches
from ..nn.pixels import match_size, mirror_to
from .images import list_images, read_image
from .labels import SHOWN, LabelTable, Row
from .readers import read_labels

PARTS = ("train", "val", "test")


class QualityDataset(torch.utils.data.Dataset[dict[str, Any]]):
    """Images that people, or metrics, have judged.

    In training a sample is P patches, cut at the same random places of everything that shows the same content; in
    validation and test it is the whole image. Scores are mapped from the set's nominal range to `score_range`, higher
    is better.

    Args:
        opt: `layout`, of `read_labels`, and `dataroot`, what it reads. `split`: {shares, by, seed} of
            `LabelTable.split`, whose parts are train, val and test in this order, chosen by `part` (the phase, if it is
            left out); without `split` the whole table. `leave_out`: beginnings of names of distortions. For training
            `crop_px`, `patches` (1), `use_hflip`, `use_rot`. `references`: a folder of clean images of any content.
            `degraded_scale`: where the set names no degraded input, it is the reference reduced by that factor.
            `mos_range`: [lowest, highest] of the scores, where the layout's own range is not meant: a CSV's is that of
            its scores. `in_memory` decodes each image once, to eight bits. `needs`, `score_range` and `phase` come from
            what is trained.

    Raises:
        UsageError: the set is not there, or lacks what is needed; a split that cannot be made.
    """

    def __init__(self, opt: Mapping[str, Any]) -> None:
        self.training = opt["phase"] == "train"
        self.needs = set(opt.get("needs") or ())
        table = without(read_labels(opt["layout"], opt["dataroot"]), opt.get("leave_out") or ())
        if opt.get("mos_range") is not None:
            table = dataclasses.replace(table, mos_range=tuple(opt["mos_range"]))
        self.table = part_of(table, opt.get("split"), opt.get("part"), opt["phase"])
        self.rows, self.root = self.table.rows, Path(opt["dataroot"])
        self.notes = self.table.notes
        self.score_range: tuple[float, float] = tuple(opt.get("score_range") or (0.0, 1.0))
        self.patches = int(opt.get("patches") or 1)
        self.side_px = int(opt["crop_px"]) if self.training else 0
        self.flips, self.turns = bool(opt.get("use_hflip")), bool(opt.get("use_rot"))
        self.degraded_scale = scale_of(opt.get("degraded_scale"))
        self.clean = self._references(opt.get("references"))
        self.read: Callable[[Path], Tensor] = _kept() if opt.get("in_memory") else read_image
        self.rivals = _by_input(self.rows)
        self._check(opt)

    def _references(self, folder: str | None) -> list[Path]:
        if "clean" not in self.needs:
            return []
        if folder is None or not Path(folder).is_dir():
            raise UsageError(f"references={folder!r} is no folder; expected one of clean images of any content")
        return list_images(Path(folder))

    def _check(self, opt: Mapping[str, Any]) -> None:
        name = self.table.name
        lacking = {
            "reference": [row for row in self.rows if row.reference is None],
            "degraded": [row for row in self.rows if row.degraded is None and not self._reducible(row)],
            "rival": [row for row in self.rows if len(self.rivals[_input(row)]) < 2],
        }
        remedies = {
            "reference": "name it in the labels",
            "degraded": "name it in the labels, or set degraded_scale to make it from the reference",
            "rival": "a preference needs two restorations of a content; preference_iter: 0 trains without",
        }
        for need in sorted(self.needs & set(lacking)):
            rows = lacking[need]
            if rows:
                raise UsageError(
                    f"{name}: {len(rows)} of {len(self.rows)} images have no {need}, such as {rows[0].image.name}; "
                    f"{remedies[need]}"
                )
        named = {
            path
            for row in self.rows
            for need, path in (("reference", row.reference), ("degraded", row.degraded))
            if need in self.needs and path is not None
        }
        missing = sorted(path for path in named if not path.is_file())
        if missing:
            first = ", ".join(map(str, missing[:SHOWN]))
            raise UsageError(f"{name}: {len(missing)} images that the labels name are not there: {first}")
        if self.training and (self.side_px < 1 or self.patches < 1):
            raise UsageError(f"crop_px={opt['crop_px']}, patches={opt.get('patches')}; expected positive numbers")

    def _reducible(self, row: Row) -> bool:
        return self.degraded_scale is not None and row.reference is not None

    def __len__(self) -> int:
        return len(self.rows)

    def mos(self, row: Row) -> float:
        """A row's opinion in the unit of `score_range`, higher is better."""
        lowest, highest = self.score_range
        return lowest + self.table.quality(row) * (highest - lowest)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Load a sample.

        In training: `restored` and what is needed of `degraded`, `reference`, `clean`, `rival`, each (P,3,h,w); `mos`
        and `rival_mos`. Else: the same but for rivals, whole, (3,H,W), with `image`, its path below the root, and
        `content`.

        Raises:
            ImageError: an image cannot be read, or does not fit the restored one.
        """
        row = self.rows[index]
        aligned = self._aligned(row)
        if self.training:
            return self._patches(row, aligned)
        if "clean" in self.needs:
            aligned["clean"] = self.read(self.clean[index % len(self.clean)])
        name = Path(os.path.relpath(row.image, self.root if self.root.is_dir() else self.root.parent)).as_posix()
        return {**aligned, "mos": self.mos(row), "image": name, "content": row.content}

    def _aligned(self, row: Row) -> dict[str, Tensor]:
        """The restored image and what is needed of its own content, all of one size."""
        restored = self.read(row.image)
        found = {"restored": restored}
        if "reference" in self.needs and row.reference is not None:
            found["reference"] = self.read(row.reference)
        if "degraded" in self.needs:
            degraded = self.read(row.degraded) if row.degraded is not None else self._reduced(row)
            found["degraded"] = match_size("degraded", degraded[None], restored[None])[0]
        for name, image in found.items():
            if image.shape != restored.shape:
                raise ImageError(
                    f"{name} of {row.image} is {image.shape[2]}x{image.shape[1]}, the image {restored.shape[2]}x"
                    f"{restored.shape[1]}; expected the same size; leave it out"
                )
        return found

    def _reduced(self, row: Row) -> Tensor:
        """The reference reduced bicubically by `degraded_scale`, and brought back to its size."""
        reference = self.read(row.reference)[None]  # type: ignore[arg-type]  # checked at the start
        small = [side // self.degraded_scale for side in reference.shape[-2:]]  # type: ignore[operator]
        reduced = interpolate(reference, small, mode="bicubic", antialias=True).clamp(0, 1)
        return interpolate(reduced, reference.shape[-2:], mode="bicubic").clamp(0, 1)[0]

    def _patches(self, row: Row, aligned: dict[str, Tensor]) -> dict[str, Any]:
        height, width = (max(side, self.side_px) for side in aligned["restored"].shape[1:])
        origins = random_origins(height, width, self.side_px, self.patches, random.getrandbits(62))
        change = self._change()
        opinions = {"mos": self.mos(row)}
        if "rival" in self.needs:
            rival = random.choice([other for other in self.rivals[_input(row)] if other is not row])
            aligned["rival"], opinions["rival_mos"] = self.read(rival.image), self.mos(rival)
            if aligned["rival"].shape != aligned["restored"].shape:
                raise ImageError(f"{rival.image} and {row.image} differ in size; expected one size a content")
        patches = {name: self._cut(image, origins, change) for name, image in aligned.items()}
        if "clean" in self.needs:
            clean = self.read(random.choice(self.clean))
            height, width = (max(side, self.side_px) for side in clean.shape[1:])
            places = random_origins(height, width, self.side_px, self.patches, random.getrandbits(62))
            patches["clean"] = self._cut(clean, places, self._change())
        return {**patches, **{name: torch.tensor(value) for name, value in opinions.items()}}

    def _change(self) -> Callable[[Tensor], Tensor]:
        flip, turns = self.flips and random.random() < 0.5, random.randrange(4) if self.turns else 0

        def change(patches: Tensor) -> Tensor:
            return (patches.flip(-1) if flip else patches).rot90(turns, (-2, -1)).contiguous()

        return change

    def _cut(self, image: Tensor, origins: list[Origin], change: Callable[[Tensor], Tensor]) -> Tensor:
        """P patches of an image (3,H,W), mirrored where it is smaller than one, as (P,3,h,w)."""
        return change(take_patches(mirror_to(image[None], self.side_px, self.side_px), origins, self.side_px)[0])


def scale_of(value: Any) -> int | None:
    """The factor that references are reduced by; None for none.

    Raises:
        UsageError: no whole number of at least 2.
    """
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 2):
        return value
    raise UsageError(f"degraded_scale={value!r}; expected a whole number of at least 2, or null")


def without(table: LabelTable, left_out: Sequence[str]) -> LabelTable:
    """The rows whose distortion begins with none of these.

    Raises:
        UsageError: one that no row has, so that a misspelt one is not passed over.
    """
    kinds = {row.distortion or "" for row in table.rows}
    for start in left_out:
        if not any(kind.startswith(str(start)) for kind in kinds):
            raise UsageError(f"{table.name}: leave_out={start!r} is no distortion of it; it has {sorted(kinds)[:8]}")
    return table.only(lambda row: not (row.distortion or "").startswith(tuple(map(str, left_out))))


def part_of(table: LabelTable, split: Mapping[str, Any] | None, part: str | None, phase: str) -> LabelTable:
    """The part of a table that a phase is to see; the whole table without a split.

    Raises:
        UsageError: an unknown key or part.
    """
    if split is None:
        return table
    unknown = set(split) - {"shares", "by", "seed"}
    wanted = part or phase
    if unknown or wanted not in PARTS:
        raise UsageError(f"split={dict(split)}, part={wanted!r}; expected {{shares, by, seed}} and one of {PARTS}")
    shares = tuple(split.get("shares") or (0.6, 0.2, 0.2))
    parts = table.split(int(split.get("seed") or 0), shares, split.get("by") or "content")
    if PARTS.index(wanted) >= len(parts):
        raise UsageError(f"part={wanted!r}, but shares={list(shares)} makes {PARTS[: len(parts)]}; add a share")
    return parts[PARTS.index(wanted)]


def _input(row: Row) -> tuple[str, Path | None]:
    """What two restorations must share to be rivals: the content, and the degraded input where it is named."""
    return row.content, row.degraded


def _by_input(rows: tuple[Row, ...]) -> dict[tuple[str, Path | None], list[Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[_input(row)].append(row)
    return groups


def _kept() -> Callable[[Path], Tensor]:
    decode = cache(lambda path: (read_image(path) * 255).round().byte())
    return lambda path: decode(path).float() / 255
