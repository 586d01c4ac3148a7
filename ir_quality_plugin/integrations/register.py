"""Make our types known to BasicSR and pyiqa; any number of times."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from ..errors import UsageError
from ..models import CKDN, CVRKD, RestorationTeacher, TeacherIQAStudent


def register() -> list[str]:
    """Register with whichever of BasicSR and pyiqa is installed; a second call changes nothing.

    BasicSR gains the architectures `TeacherRestorationNet`, `TeacherIQAStudent`, `CKDN` and `CVRKD`, the losses, the
    metrics `calculate_quality` and `calculate_pyiqa`, the models `Quality...Model` and the datasets
    `DegradedOnTheFlyDataset` and `QualityDataset`; pyiqa gains `irq_...` metrics.

    Returns:
        The packages that were there.

    Raises:
        UsageError: somebody else's type has one of our names.
    """
    done = []
    if find_spec("basicsr") is not None:
        register_basicsr()
        done.append("basicsr")
    if find_spec("pyiqa") is not None:
        from .pyiqa_metrics import register_pyiqa

        register_pyiqa()
        done.append("pyiqa")
    return done


def register_basicsr() -> None:
    """Register with BasicSR's registries."""
    from basicsr.utils import registry

    from ..data.judged import QualityDataset
    from . import basicsr_models
    from .basicsr_datasets import DegradedOnTheFlyDataset
    from .basicsr_metrics import calculate_pyiqa, calculate_quality
    from .basicsr_perceptual import PERCEPTUAL_TERMS

    models = [getattr(basicsr_models, f"Quality{stock}Model") for stock in ("SR", "SRGAN", "ESRGAN", "RealESRGAN")]
    add(registry.ARCH_REGISTRY, {"TeacherRestorationNet": TeacherRestorationNet})
    add(registry.ARCH_REGISTRY, {kind.__name__: kind for kind in (TeacherIQAStudent, CKDN, CVRKD)})
    add(registry.DATASET_REGISTRY, {kind.__name__: kind for kind in (DegradedOnTheFlyDataset, QualityDataset)})
    add(registry.LOSS_REGISTRY, PERCEPTUAL_TERMS)
    add(registry.METRIC_REGISTRY, {metric.__name__: metric for metric in (calculate_quality, calculate_pyiqa)})
    add(registry.MODEL_REGISTRY, {model.__name__: model for model in models})


def add(registry: Any, entries: dict[str, Any]) -> None:
    """Add entries that are not there yet.

    Raises:
        UsageError: another type has the name.
    """
    for name, entry in entries.items():
        present = dict(iter(registry)).get(name)
        if present is None:
            registry._do_register(name, entry)
        elif present is not entry:
            raise UsageError(
                f"BasicSR's {registry._name} registry holds another {name!r} ({present.__module__}); expected the name "
                "free; rename that type, or import it after irq.register()"
            )


class TeacherRestorationNet(RestorationTeacher):
    """The TeacherIQA teacher as a plain restoration network: a tensor in, a tensor out.

    Args:
        options: of `RestorationTeacher`.

    Source: TeacherIQA, the teacher network; deviation: the knowledge is left out of what is returned.
    """

    def forward(self, degraded: Any) -> Any:
        """Map (B,3,H,W) in [0,1] to the restored image of the same shape."""
        return super().forward(degraded).restored
