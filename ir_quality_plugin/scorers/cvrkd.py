"""CVRKD as a scorer: against any clean image, on groups of patches."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from ..models.card import Card, Protocol
from ..models.cvrkd import CVRKD
from ..nn.folded import precision
from ..nn.pixels import mirror_to
from ..nn.rowwise import rowwise
from .patches import PatchScorer

# Of encoded references; one of ten patches takes 0.5 MB.
KEPT_BYTES = 64 * 2**20
References = OrderedDict[tuple[Any, ...], Tensor]


class CVRKDScorer(PatchScorer):
    """The mean of the network's scores over groups of patches, each group spread over both images.

    The network takes ten patches (a constructor argument of it) of the restored image and of the reference at once. Any
    size from 32 px for either image: below 224 px a side is mirrored up to it; above, the grid has ten patches or as
    many tens as cover the restored image, and gradients reach every pixel of it. The reference is cut into as many.

    A reference that was seen before, by its content, is not encoded again, unless a gradient is asked for at it.

    Source: CVRKD-IQA; deviation: covering grids where the release draws ten random crops (protocol "released").
    """

    def __init__(
        self, network: CVRKD, card: Card, protocol: Protocol | None = None, patches: int | None = None
    ) -> None:
        self.patches_a_group = network.patches
        super().__init__(network, card, protocol, patches)
        # With the network that encoded them; in a tuple, which hides it from nn.Module's registration.
        self._remembered: tuple[Any, References] = (None, OrderedDict())

    def score(self, restored: Tensor, guide: Tensor) -> Tensor:
        """Score (B,3,H,W) against encoded references, (B,G,C,grid,grid) or (1,G,C,grid,grid), as (B,)."""
        groups = self.groups(restored)
        reference = guide.expand(len(restored), -1, -1, -1, -1)

        def judge(images: Tensor, clean: Tensor) -> Tensor:
            encoded = self.encode(images, groups)
            scores = self.folded.judge(encoded.flatten(0, 1), clean.flatten(0, 1)).score
            return scores.view(-1, groups).mean(dim=1)

        if torch.is_grad_enabled() and restored.requires_grad:
            # All patches of an image are in its graph: one image's at a time.
            return rowwise(judge, self.at_once(restored), restored, reference)
        return judge(restored, reference)

    def look(self, restored: Tensor, guide: Tensor) -> Tensor:
        """Encode references (B,3,h,w) or (1,3,h,w) into as many groups of patches as the restored images have."""
        return self.reference(guide, self.groups(restored))

    def groups(self, restored: Tensor) -> int:
        """Number G of groups of patches for restored images (B,3,H,W)."""
        return self.count(restored) // self.patches_a_group

    def encode(self, images: Tensor, groups: int) -> Tensor:
        """Encode G groups of patches of (B,3,H,W) as (B,G,C,grid,grid), each group spread over the image."""
        network, side = self.folded, self.card.patch_px
        images = mirror_to(images, side, side)
        origins = self.origins(images, groups * self.patches_a_group)
        # On an image hardly larger than a patch, many of them fall on the same place: each is looked at once.
        places = list(dict.fromkeys(origins))
        local = torch.cat([network.localise(self.prepare(piece)) for piece in self.pieces(images, places)])
        local = local.unflatten(0, (len(images), len(places)))
        if len(places) < len(origins):
            local = local[:, [places.index(origin) for origin in origins]]
        grouped = rearrange(local, "b (p g) s c h w -> (b g) p s c h w", g=groups)
        return network.stack(grouped).unflatten(0, (len(images), groups))

    def reference(self, guide: Tensor, groups: int) -> Tensor:
        """Encode clean images (B,3,h,w) as `encode` does, or remember how they were encoded."""
        wants_gradient = torch.is_grad_enabled() and guide.requires_grad
        if wants_gradient or torch.compiler.is_compiling() or self.dtype == torch.float64:
            return self.encode(guide, groups)
        if self._remembered[0] is not self.folded:
            self._remembered = (self.folded, OrderedDict())
        known = self._remembered[1]
        kind = (groups, self.protocol, guide.dtype, precision(guide, self.dtype), guide.shape[1:])
        keys = [(*kind, digest) for digest in _digests(guide)]
        # Not as tensors of inference mode, which no later graph could hold.
        with torch.inference_mode(False), torch.no_grad():
            for key, image in zip(keys, guide, strict=True):
                if key not in known:
                    known[key] = self.encode(image[None], groups)
                known.move_to_end(key)
            encoded = torch.cat([known[key] for key in keys])
        held = sum(entry.nbytes for entry in known.values())
        while held > KEPT_BYTES:
            held -= known.popitem(last=False)[1].nbytes
        return encoded

    def __getstate__(self) -> dict[str, Any]:
        """Leave what is remembered out of copies and files."""
        return {**super().__getstate__(), "_remembered": (None, OrderedDict())}


def _digests(images: Tensor) -> list[bytes]:
    """Of each image of a batch, copied together: a GPU waits once."""
    values = images.detach().contiguous().cpu().view(torch.uint8)
    return [hashlib.blake2b(image.numpy().data, digest_size=16).digest() for image in values]
