"""Our scorers as pyiqa metrics: `pyiqa.create_metric("irq_ckdn", weights=...)`."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..catalog import CATALOG, load_scorer

PREFIX = "irq_"


class IRQScorer(nn.Module):
    """A scorer behind pyiqa's calling convention: the image, then what it is judged against.

    Args:
        scorer: a name of the catalogue.
        options: of `load_scorer`.
    """

    def __init__(self, scorer: str, **options: Any) -> None:
        super().__init__()
        self.scorer = load_scorer(scorer, **options)

    def forward(self, restored: Tensor, guide: Tensor | None = None) -> Tensor:
        """Score (B,3,H,W) as (B,1), as pyiqa's metrics do."""
        given = {self.scorer.needs: guide} if self.scorer.needs else {}
        return self.scorer(restored, **given)[:, None]


def register_pyiqa() -> None:
    """Add `irq_<scorer>` to pyiqa's registry and to its table of defaults; a second call changes nothing."""
    from pyiqa.default_model_configs import DEFAULT_CONFIGS
    from pyiqa.utils.registry import ARCH_REGISTRY

    if IRQScorer.__name__ not in ARCH_REGISTRY:
        ARCH_REGISTRY.register(IRQScorer)
    for name, entry in CATALOG.items():
        lowest, highest = entry.card.score_range
        DEFAULT_CONFIGS.setdefault(
            PREFIX + name.replace("-", "_"),
            {
                "metric_opts": {"type": IRQScorer.__name__, "scorer": name},
                "metric_mode": "NR" if entry.card.reference == "none" else "FR",
                "lower_better": False,
                "score_range": f"{lowest:g}, {highest:g}",
            },
        )
