"""Entry points of `torch.hub`: the scorers and the loss, without an installation.

scorer = torch.hub.load("path/of/the/clone", "ckdn_s", source="local")
"""

from typing import Any

dependencies = ["torch", "numpy", "PIL", "einops", "safetensors"]


def teacheriqa(**options: Any) -> Any:
    """The blind scorer at its published size: `weights=` a released or converted file; options of `load_scorer`."""
    return _load("teacheriqa", options)


def ckdn(**options: Any) -> Any:
    """The degraded-reference scorer at its published size: `weights=` a file; options of `load_scorer`."""
    return _load("ckdn", options)


def cvrkd(**options: Any) -> Any:
    """The content-variant scorer at its published size: `weights=` a file; options of `load_scorer`."""
    return _load("cvrkd", options)


def teacheriqa_s(**options: Any) -> Any:
    """The compact blind scorer, with the weights that ship; options of `load_scorer`."""
    return _load("teacheriqa-s", options)


def ckdn_s(**options: Any) -> Any:
    """The compact degraded-reference scorer, with the weights that ship; options of `load_scorer`."""
    return _load("ckdn-s", options)


def cvrkd_s(**options: Any) -> Any:
    """The compact content-variant scorer, with the weights that ship; options of `load_scorer`."""
    return _load("cvrkd-s", options)


def quality_loss(scorer: str = "ckdn-s", **options: Any) -> Any:
    """A scorer as a loss, lower is better; options of `QualityLoss`."""
    from ir_quality_plugin import QualityLoss

    return QualityLoss(scorer, **options)


def _load(name: str, options: dict[str, Any]) -> Any:
    from ir_quality_plugin import load_scorer

    return load_scorer(name, **options)
