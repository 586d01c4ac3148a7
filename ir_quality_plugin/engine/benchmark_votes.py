"""What forced choices say of metrics: on the pairs of which every metric scored both images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..data.votes import Vote
from ..metrics.resampling import Unit
from ..metrics.votes import vote_agreement
from .benchmark import Scored


class Voted(NamedTuple):
    """Agreement with forced choices.

    Attributes:
        pairs: how many there are, are `used`, and are `undecided` among these, and people's own `two_afc_people`; None
            where nobody voted.
        metrics: `VoteAgreement` of each, as a mapping; none where no pair is used.
    """

    pairs: dict[str, Any] | None
    metrics: Mapping[str, dict[str, Any]]


def compare_with_votes(scored: Scored, votes: Sequence[Vote], unit: Unit, resamples: int, seed: int) -> Voted:
    """Compare every metric with people's choices.

    Args:
        scored: what all metrics scored.
        votes: the choices; those between other images count nowhere.
        unit: of the resampling: a pair across contents is drawn with the pairs of the same two.
        resamples: how often.
        seed: of the resampling.
    """
    place = {row.image: index for index, row in enumerate(scored.rows)}
    used = [vote for vote in votes if vote.first in place and vote.second in place]
    shares = np.array([vote.share_first for vote in used])
    pairs = {
        "pairs": len(votes),
        "used": len(used),
        "undecided": int((shares == 0.5).sum()),
        "two_afc_people": float(np.maximum(shares, 1 - shares).mean()) if used else None,
    }
    if not used:
        return Voted(pairs, {})
    first, second = (np.array([place[getattr(vote, side)] for vote in used]) for side in Vote._fields[:2])
    names = np.array([row.content for row in scored.rows])
    contents = np.unique(np.sort([names[first], names[second]], axis=0), axis=1, return_inverse=True)[1].ravel()
    return Voted(
        pairs,
        {
            name: vote_agreement(
                values[first], values[second], shares, resamples, seed, contents if unit == "content" else None
            )._asdict()
            for name, values in scored.scores.items()
        },
    )
