"""The card that travels with every set of weights: what they need, what they return, where they come from."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard, get_args

from ..errors import CheckpointError

ReferenceKind = Literal["none", "degraded", "any-clean", "aligned"]
Normalisation = Literal["none", "imagenet"]
Protocol = Literal["whole", "grid", "released"]
RANDOM = "random weights"
# The published networks reach 2048 and 18; a file's card could ask for a billion layers.
LARGEST_WIDTH, MOST_LAYERS = 8192, 100


@dataclass(frozen=True)
class Card:
    """What a user must know of a scorer, and what the code needs to run its weights as they were trained.

    Attributes:
        name: in the catalogue.
        method: "teacheriqa", "ckdn" or "cvrkd".
        reference: what the scorer judges against: nothing, the degraded input, any clean image, or the aligned one.
        score_range: (lowest, highest) score in the units of the training labels.
        bounded: whether the network cannot leave that range; otherwise it is nominal.
        patch_px: native side of what the network sees at once, in pixels.
        patches: native number of patches an image; None where the network sees the whole image.
        normalisation: of the pixels before the network: none, or ImageNet's mean and standard deviation.
        protocol: how an image becomes the network's input: "whole", a covering "grid" of patches, or as "released".
        released_protocol: what "released" means here, in words.
        network: arguments of the network's constructor that differ from the published ones.
        licence: of the weights.
        origin: where the weights come from; `RANDOM` for random ones, whose scores mean nothing.
        source: the paper.
        min_px: least height and width of an image in pixels.
        direction: always "higher is better".
        sha256: of the file that the weights were first read from; None where they were not read from one.
    """

    name: str
    method: str
    reference: ReferenceKind
    score_range: tuple[float, float]
    bounded: bool
    patch_px: int
    patches: int | None
    normalisation: Normalisation
    protocol: Protocol
    released_protocol: str
    source: str
    licence: str = "none: random weights"
    origin: str = RANDOM
    network: dict[str, Any] = field(default_factory=dict)
    min_px: int = 32
    direction: str = "higher is better"
    sha256: str | None = None

    def to_json(self) -> str:
        """Write the card as one JSON object, for a safetensors header."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Card:
        """Read what `to_json` wrote.

        Raises:
            CheckpointError: where the text is no card, has unknown or missing entries, or values of another kind.
        """
        try:
            entries = json.loads(text)
        except ValueError as error:
            raise CheckpointError(f"the card is no JSON ({error}); convert the original file again") from error
        known = {entry.name for entry in dataclasses.fields(cls)}
        required = {entry.name for entry in dataclasses.fields(cls) if entry.default is entry.default_factory}
        if not isinstance(entries, Mapping) or not required <= set(entries) <= known:
            given = sorted(entries) if isinstance(entries, Mapping) else type(entries).__name__
            raise CheckpointError(
                f"the card has the entries {given}; expected {sorted(known)}; "
                "it was written by another version: convert the original file again"
            )
        bounds = entries["score_range"]
        if not (isinstance(bounds, list) and len(bounds) == 2 and all(isinstance(end, (int, float)) for end in bounds)):
            raise CheckpointError(f"the card's score_range is {bounds!r}; expected [lowest, highest]")
        card = cls(**{**entries, "score_range": tuple(bounds)})
        card.check()
        return card

    def check(self) -> None:
        """Refuse a card whose values the code cannot follow.

        Raises:
            CheckpointError: names the entry, what it holds and what was expected.
        """
        for entry, kinds in (("reference", ReferenceKind), ("normalisation", Normalisation), ("protocol", Protocol)):
            if getattr(self, entry) not in get_args(kinds):
                raise CheckpointError(
                    f"the card's {entry} is {getattr(self, entry)!r}; expected one of {get_args(kinds)}"
                )
        for entry in ("name", "method", "released_protocol", "source", "licence", "origin"):
            self._expect(entry, isinstance(getattr(self, entry), str), "text")
        for entry in ("patch_px", "min_px"):
            self._expect(entry, _is_count(getattr(self, entry)), "a positive whole number")
        self._expect("patches", self.patches is None or _is_count(self.patches), "a positive whole number, or null")
        self._expect("network", isinstance(self.network, dict), "a mapping")
        for name, value in self.network.items():
            most, sizes = MOST_LAYERS if "depth" in name else LARGEST_WIDTH, value if _is_list(value) else [value]
            small = len(sizes) <= 8 and all(isinstance(size, (int, float)) and 0 <= size <= most for size in sizes)
            self._expect("network", small, f"numbers from 0 to {most}, or a few of them, as {name}")
        self._expect("bounded", isinstance(self.bounded, bool), "true or false")
        self._expect("direction", self.direction == "higher is better", "'higher is better'")
        self._expect("sha256", self.sha256 is None or isinstance(self.sha256, str), "text, or null")
        numbers = all(
            isinstance(end, (int, float)) and not isinstance(end, bool) and math.isfinite(end)
            for end in self.score_range
        )
        self._expect("score_range", numbers and self.score_range[0] < self.score_range[1], "(lowest, highest)")

    def _expect(self, entry: str, holds: bool, expected: str) -> None:
        if not holds:
            raise CheckpointError(f"the card's {entry} is {getattr(self, entry)!r}; expected {expected}")


def _is_list(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    return isinstance(value, (list, tuple))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
