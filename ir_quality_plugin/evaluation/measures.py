"""What a run measures: our scorers and pyiqa's metrics behind one call, each network built once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..catalog import CATALOG, find_entry, load_scorer
from ..checkpoints.read import digest
from ..data.folders import DEGRADED, REFERENCE
from ..errors import MissingInputError, UsageError

NEEDS = {"degraded": DEGRADED, "any-clean": REFERENCE, "aligned": REFERENCE}
# The score of an image is that of the mean squared error over all of its pixels.
OF_SQUARED_ERROR = ("psnr", "psnry")


@dataclass(frozen=True)
class Measure:
    """A metric on one image.

    Attributes:
        name: in the table.
        needs: what it judges against: None, "degraded" or "reference".
        aligned: whether the reference must have the restored image's size.
        higher_is_better: its direction.
        tiled: whether a large image may be scored by tiles; False where the protocol looks at a small view anyway.
        combine: how tiles become one score: the mean, or the mean of the squared errors behind them.
        about: what the summary says of it; the part that a resumed run must share.
        call: from (1,3,H,W) and what it judges against to a score.
    """

    name: str
    needs: str | None
    aligned: bool
    higher_is_better: bool
    tiled: bool
    combine: Literal["mean", "squared error"]
    about: dict[str, Any]
    call: Callable[[Tensor, Tensor | None], float]


def check_needs(scorers: Sequence[str], pyiqa: Sequence[str], given: Mapping[str, bool]) -> None:
    """Say what is missing before anything is built or read.

    Args:
        scorers: names of the catalogue.
        pyiqa: names of pyiqa's metrics.
        given: whether there is a "degraded" and a "reference" folder.

    Raises:
        UsageError: no metric at all, or an unknown one.
        MissingInputError: names every metric that lacks its folder.
    """
    if not scorers and not pyiqa:
        raise UsageError("no metric was named; expected --scorer ckdn-s, say, or --pyiqa ssim; `irq weights ls` lists")
    wanted = {name: NEEDS.get(find_entry(name).card.reference) for name in scorers}
    if pyiqa:
        from ..integrations.pyiqa_image_metric import pyiqa_needs

        wanted |= {name: pyiqa_needs(name) for name in pyiqa}
    missing = [f"{name} needs --{needs} DIR" for name, needs in wanted.items() if needs and not given[needs]]
    if missing:
        blind = ", ".join(name for name, entry in CATALOG.items() if entry.card.reference == "none")
        raise MissingInputError(f"{'; '.join(missing)}; give it, or use a metric that needs nothing, such as {blind}")


def build_measures(
    scorers: Sequence[str], weights: Mapping[str, str], pyiqa: Sequence[str], device: torch.device
) -> list[Measure]:
    """Build every metric once, so that weights which are missing are said before the first image.

    Args:
        scorers: names of the catalogue.
        weights: by scorer, as in `load_scorer`; "default" where none is named.
        pyiqa: names of pyiqa's metrics.
        device: where to compute.

    Raises:
        UsageError: weights for a scorer that is not used, or a metric that cannot be built.
        CheckpointError: weights that are missing or damaged.
    """
    stray = sorted(set(weights) - set(scorers))
    if stray:
        raise UsageError(f"--weights {stray[0]}=...: it is not among the scorers {', '.join(scorers) or '(none)'}")
    names, others = list(dict.fromkeys(scorers)), list(dict.fromkeys(pyiqa))
    measures = [_of_scorer(name, weights.get(name, "default"), device) for name in names]
    return measures + [_of_pyiqa(name, f"pyiqa {name}" if name in names else name, device) for name in others]


def _of_scorer(name: str, weights: str, device: torch.device) -> Measure:
    scorer = load_scorer(name, weights, device=device)
    card = scorer.card

    def call(restored: Tensor, guide: Tensor | None) -> float:
        return float(scorer(restored, **({scorer.needs: guide} if scorer.needs else {})).item())

    about = {
        "kind": "scorer",
        "weights": card.origin,
        "digest": digest(card.to_json(), scorer.network.state_dict()),
        "protocol": scorer.protocol,
        "range": list(card.score_range),
    }
    aligned, tiled = card.reference == "aligned", scorer.protocol != "released"
    return Measure(name, scorer.needs, aligned, True, tiled, "mean", about, call)


def _of_pyiqa(metric: str, name: str, device: torch.device) -> Measure:
    from ..integrations.pyiqa_image_metric import PyiqaImageMetric

    built = PyiqaImageMetric(metric, device)
    combine: Literal["mean", "squared error"] = "squared error" if metric in OF_SQUARED_ERROR else "mean"
    about = {"kind": "pyiqa", "range": built.score_range}
    return Measure(name, built.needs, built.needs is not None, built.higher_is_better, True, combine, about, built)
