"""The contract of every scorer: images in [0,1] go in, a score an image comes out."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..errors import ImageError, MissingInputError, UsageError
from ..models.card import Card, Protocol
from ..nn.pixels import OVERSHOOT, RESAMPLING_OVERSHOOT, Normalise, check_images, check_values, match_size
from .frozen import Frozen

WANTED = {
    "degraded": ("degraded", "the degraded input that was restored"),
    "aligned": ("reference", "the clean image of the same content"),
    "any-clean": ("reference", "any clean image"),
}
OVERSHOOTS = {"restored": OVERSHOOT, "degraded": RESAMPLING_OVERSHOOT, "reference": RESAMPLING_OVERSHOOT}
HALVES = (torch.float16, torch.bfloat16)
# On a CPU, what a stage computes should still be in the cache when the next one reads it.
PIXELS_AT_ONCE = 2**17


class Scorer(Frozen, ABC):
    """A frozen network that scores restored images; subclasses say how an image becomes its input.

    In half precision (`scorer.bfloat16()`) the pixels' normalisation and the network's last layers stay in float32,
    since eight bits would leave few scores to tell apart.

    Args:
        network: one of our networks.
        card: of its weights.
        protocol: how an image becomes the network's input; None for the card's.
        patches: number of patches an image, for the scorers that take patches; None for as many as cover the image.

    Attributes:
        card: what the scorer needs, returns and comes from.
        protocol: in force.
        needs: the argument that must be given beside `restored`: None, "degraded" or "reference".
    """

    protocols: tuple[Protocol, ...] = ()
    # Most rows of a batch that go through the network at once on a GPU; None for all.
    most_rows: int | None = None

    def __init__(
        self, network: nn.Module, card: Card, protocol: Protocol | None = None, patches: int | None = None
    ) -> None:
        super().__init__(network, card.normalisation)
        self.card = card
        self.protocol: Protocol = protocol or card.protocol
        if self.protocol not in self.protocols:
            raise UsageError(f"protocol={self.protocol!r}; expected one of {', '.join(self.protocols)} for {card.name}")
        self.patches = patches
        self.needs = WANTED[card.reference][0] if card.reference in WANTED else None

    def extra_repr(self) -> str:
        """Name the weights and the protocol."""
        return f"{self.card.name}, reference={self.card.reference}, protocol={self.protocol}, frozen"

    def forward(self, restored: Tensor, degraded: Tensor | None = None, reference: Tensor | None = None) -> Tensor:
        """Score restored images; what the scorer does not need is ignored, so that all can be called alike.

        Args:
            restored: (B,3,H,W) RGB in [0,1], floating point; may leave the range by 0.5, as a network's output does.
            degraded: (B,3,h,w) RGB in [0,1]; of the restored size, or smaller by a whole factor.
            reference: RGB in [0,1]; for card.reference "aligned" (B,3,H,W), for "any-clean" (B,3,h,w) or (1,3,h,w) of
                any size.

        Returns:
            (B,), higher is better, float32 at least, in `card.score_range` (a nominal range unless `card.bounded`);
            gradients reach `restored` and, where they require them, the other images; never the weights.

        Raises:
            MissingInputError: without what the scorer judges against.
            ImageError: type, shape, size, range, NaN or Inf. Values are not checked inside torch.compile.
        """
        images = self._given(restored, degraded, reference)
        if not torch.compiler.is_compiling():
            check_values(OVERSHOOTS, **images)
        return self.judge(restored, self._against(images))

    def against(self, restored: Tensor, degraded: Tensor | None = None, reference: Tensor | None = None) -> Any:
        """What images of one shape are judged against, computed once for every `judge` that is to come.

        Args:
            restored: as `forward` takes it; tells the shape.
            degraded: as `forward` takes it.
            reference: as `forward` takes it.

        Raises:
            MissingInputError: without what the scorer judges against.
            ImageError: type, shape or size. No value is looked at: whoever calls this has seen to them.
        """
        return self._against(self._given(restored, degraded, reference))

    def judge(self, restored: Tensor, against: Any) -> Tensor:
        """Score restored images (B,3,H,W), whose values nobody looks at, as `forward` does, by what `against` gave."""
        score = self.score(restored.to(self._pixels()), against)
        return score.float() if score.dtype in HALVES else score

    def _against(self, images: dict[str, Tensor]) -> Any:
        guide = images[self.needs].to(self._pixels()) if self.needs else None
        if guide is not None and self.card.reference == "degraded":
            guide = match_size("degraded", guide, images["restored"])
        return self.look(images["restored"], guide)

    def _pixels(self) -> torch.dtype:
        return torch.float32 if self.dtype in HALVES else self.dtype

    def _given(self, restored: Tensor, degraded: Tensor | None, reference: Tensor | None) -> dict[str, Tensor]:
        """What the scorer needs of its arguments, by name, checked by type and shape."""
        images = {"restored": restored}
        guide = {"degraded": degraded, "reference": reference}[self.needs] if self.needs else None
        if self.needs:
            if guide is None:
                given = ", ".join(
                    name for name, image in (("degraded", degraded), ("reference", reference)) if image is not None
                )
                raise MissingInputError(
                    f"{self.card.name} was given {given or 'restored alone'}; expected {self.needs}=, "
                    f"{WANTED[self.card.reference][1]}, as (B,3,H,W) in [0,1]; list_scorers() tells what each needs"
                )
            images[self.needs] = guide
        self._check(images)
        return images

    @abstractmethod
    def score(self, restored: Tensor, guide: Any) -> Tensor:
        """Score checked images, in float32 at least: restored and what `look` made of what it is judged against."""

    def look(self, restored: Tensor, guide: Any) -> Any:
        """What is computed of a guide (None where nothing is needed) once for all restored images of one shape."""
        return guide

    def prepare(self, images: Tensor) -> Tensor:
        """Normalise images (B,3,H,W) in [0,1] as the weights' card says, and bring them to the network's dtype."""
        return self.normalise(images).to(self.dtype)

    def at_once(self, rows: Tensor) -> int:
        """How many rows (N,...,H,W) of a batch should go through the network together."""
        if rows.device.type != "cpu" or torch.compiler.is_compiling():
            return self.most_rows or len(rows)
        return max(PIXELS_AT_ONCE * 3 // rows[0].numel(), 1)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        target = fn(torch.empty(0, dtype=self.dtype, device=self.device))
        names = self.network.in_full_precision if target.dtype in HALVES else ()
        exact = {name: copy.deepcopy(self.network.get_submodule(name)).float() for name in names}
        super()._apply(fn, recurse)
        for name, part in exact.items():
            kept = self.network.get_submodule(name).float()
            kept.load_state_dict(part.state_dict())
        if target.dtype in HALVES and isinstance(self.normalise, Normalise):
            self._frozen = (self.network, Normalise().to(target.device))
        return self

    def _check(self, images: dict[str, Tensor]) -> None:
        for name, batch in images.items():
            # A degraded image may be smaller by any whole factor; it is brought to the restored one's size.
            check_images(name, batch, min_px=1 if name == "degraded" else self.card.min_px)
            if batch.device != self.device:
                raise ImageError(
                    f"{name} is on {batch.device}, the scorer on {self.device}; move one: scorer.to({name}.device)"
                )
        restored, *guides = images.values()
        for guide in guides:
            allowed = {len(restored), 1} if self.card.reference == "any-clean" else {len(restored)}
            if len(guide) not in allowed:
                raise ImageError(
                    f"{self.needs} holds {len(guide)} images and restored {len(restored)}; expected as many"
                )
            if self.card.reference == "aligned" and guide.shape != restored.shape:
                raise ImageError(
                    f"reference has shape {tuple(guide.shape)} and restored {tuple(restored.shape)}; expected the same "
                    f"shape: {self.card.name} compares aligned images; crop or resize one of them"
                )
