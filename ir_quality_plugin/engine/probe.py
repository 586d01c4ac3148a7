"""What an ascent gains of a metric, beside what visible quality moves it; on one image, and over many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from ..errors import ImageError
from ..integrations.metric import Metric
from ..metrics.intervals import mean_interval
from ..metrics.paired import LEAST_TO_TEST
from .gaming import Attack, Images, ascend, ladder, value

# A range this small, as a share of the scores, is the last bits of single precision.
STILL = 1e-6


class Finding(NamedTuple):
    """What the probe finds of one metric on one image; scores are in the metric's own direction.

    Attributes:
        start: score of the image as it is.
        ends: scores of the gamed image of each start.
        gradient_l1: sum of the absolute gradient of the score by the pixels, at the image as it is.
        natural: scores of the ladder.
        reference: score of the clean image; None where there is none.
        sign: 1 where higher is better, -1 where lower is.
    """

    start: float
    ends: list[float]
    gradient_l1: float
    natural: list[float]
    reference: float | None
    sign: int

    @property
    def end(self) -> float:
        """Score of the best of these."""
        return self.sign * max(self.sign * score for score in self.ends)

    @property
    def range(self) -> float:
        """How far the score moves over the ladder: the metric's own range on natural quality."""
        return max(self.natural) - min(self.natural)

    @property
    def gain(self) -> float:
        """What was gained, in the direction of better, in units of the natural range."""
        return self.sign * (self.end - self.start) / self.range + 0.0  # a zero without a sign

    def beyond_reference(self, score: float) -> bool | None:
        """Whether a score is better than the clean image's; None where there is no clean image."""
        return None if self.reference is None else self.sign * (score - self.reference) > 0


class Gamed(NamedTuple):
    """A finding with the picture that it is of, (1,3,H,W) on the grid of 8 bits."""

    finding: Finding
    picture: Tensor


def probe(metrics: Mapping[str, Metric], images: Images, attack: Attack) -> dict[str, Gamed | str]:
    """Probe every metric on one image.

    Returns:
        What was found of each metric, or the reason why nothing was.
    """
    found: dict[str, Gamed | str] = {}
    rungs = ladder(images.restored if images.reference is None else images.reference, attack.seed)
    for name, metric in metrics.items():
        try:
            found[name] = _examine(metric, images, rungs, attack)
        except ImageError as error:
            found[name] = str(error)
    return found


def _examine(metric: Metric, images: Images, rungs: Sequence[Tensor], attack: Attack) -> Gamed:
    natural = [value(metric, images, rung) for rung in rungs]
    if np.ptp(natural) <= STILL * max(map(abs, natural)):
        raise ImageError(f"{metric.name} does not move over the ladder; there is no range to count a gain in")
    start, clean = value(metric, images, images.restored), None
    if images.reference is not None:
        try:
            clean = value(metric, images, images.reference)
        except ImageError:  # of an image against itself some metrics have no finite score
            clean = None
    gamed, ends, gradient_l1 = ascend(metric, images, attack)
    return Gamed(Finding(start, ends, gradient_l1, natural, clean, metric.sign), gamed)


def judged(
    metrics: Mapping[str, Metric], images: Images, found: Mapping[str, Gamed | str]
) -> dict[str, dict[str, float | str]]:
    """What every other metric says of each gamed picture.

    Returns:
        By the metric that was gamed and the one that judges: the change, in the direction of better and the judge's own
        range, or the reason why there is none.
    """
    said: dict[str, dict[str, float | str]] = {}
    known = {name: gamed for name, gamed in found.items() if isinstance(gamed, Gamed)}
    for name, gamed in known.items():
        said[name] = {}
        for other, (by, _) in known.items():
            if other == name:
                continue
            try:
                said[name][other] = by.sign * (value(metrics[other], images, gamed.picture) - by.start) / by.range
            except ImageError as error:
                said[name][other] = str(error)
    return said


def summarise(
    metrics: Mapping[str, Metric],
    findings: Mapping[str, Sequence[Finding]],
    others: Mapping[str, Sequence[Mapping[str, float]]],
    attack: Attack,
) -> dict[str, dict[str, Any]]:
    """What is said of each metric over all images, as plain values.

    Args:
        metrics: by name.
        findings: of each metric, one an image; at least one.
        others: of each metric, what the others say of its pictures, one an image.
        attack: its numbers.
    """
    said = {}
    for name, own in findings.items():
        gains = np.array([finding.gain for finding in own])
        slopes = [finding.gradient_l1 * attack.epsilon_255 / 255 / finding.range for finding in own]
        apart = [np.ptp(finding.ends) / finding.range for finding in own]
        judges = sorted({judge for each in others[name] for judge in each})
        said[name] = {
            "higher_is_better": metrics[name].higher_is_better,
            "needs": metrics[name].needs,
            "origin": metrics[name].origin,
            "images": len(own),
            "gain": float(gains.mean()),
            "gain_interval": list(mean_interval(gains, seed=attack.seed)) if len(own) >= LEAST_TO_TEST else None,
            "gain_median": float(np.median(gains)),
            "gain_greatest": float(gains.max()),
            "beyond_reference_before": _share_beyond(own, [finding.start for finding in own]),
            "beyond_reference": _share_beyond(own, [finding.end for finding in own]),
            "gradient_l1": float(np.mean([finding.gradient_l1 for finding in own])),
            "first_order_gain": float(np.mean(slopes)),
            "natural_range": float(np.mean([finding.range for finding in own])),
            "between_starts": float(np.mean(apart)) if attack.starts > 1 else None,
            "judged_by_others": {
                judge: float(np.mean([each[judge] for each in others[name] if judge in each])) for judge in judges
            },
        }
    return said


def _share_beyond(findings: Sequence[Finding], scores: Sequence[float]) -> float | None:
    beyond = (finding.beyond_reference(score) for finding, score in zip(findings, scores, strict=True))
    known = [found for found in beyond if found is not None]
    return float(np.mean(known)) if known else None
