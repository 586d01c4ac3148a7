"""What an option file trains: a restoration network or a scorer."""

from __future__ import annotations

from typing import Any

from accelerate import Accelerator

from ..integrations import basicsr_parts as parts_of
from .checks import check_optimisers, check_restoration
from .options import Options
from .restoration import Restoration
from .scorer_checks import MODEL, check_scorer
from .scoring import Scoring
from .task import Task


def check_all(options: Options) -> tuple[dict[str, Any], list[str]]:
    """Check what `read_options` could not: types, their keys, and that this engine trains the model.

    Returns:
        The options as BasicSR's mapping, completed, and notes for the user.

    Raises:
        UsageError: names what is wrong and what was expected.
    """
    mapping = options.model_dump(exclude_none=True)
    check = check_scorer if options.model_type == MODEL else check_restoration
    notes = check(options, mapping)
    for name, dataset in options.datasets.items():
        parts_of.check_dataset_keys(dataset, f"datasets.{name}")
    check_optimisers(options)
    return mapping, notes


def task_of(options: Options, mapping: dict[str, Any], accelerator: Accelerator) -> Task:
    """Build what an option file trains.

    Raises:
        UsageError: an option that a part refuses.
        CheckpointError: weights that are missing, damaged or do not fit.
    """
    return (Scoring if options.model_type == MODEL else Restoration)(options, mapping, accelerator)


def leaves_weights_out(options: Options) -> bool:
    """Whether some weights may take no gradient in a step: scorers have phases, and branches that only some use."""
    return options.find_unused_parameters or options.model_type == MODEL
