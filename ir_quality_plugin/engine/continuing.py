"""What a state holds beside the networks, and how a run goes on from one."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError, QualityPluginError, UsageError
from ..integrations.basicsr_parts import read_network
from .experiment import PROGRESS, Experiment
from .options import Options
from .progress import Progress, check_part

if TYPE_CHECKING:
    from .run import Run


# What the parts of a run raise over a state that is none of theirs.
MISFITS = (AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def states_of(options: Options, experiment: Experiment, auto_resume: bool) -> list[Path]:
    """The states to go on from, the preferred one first; none for a new run.

    Raises:
        UsageError: `path.resume_state` is no folder, or BasicSR's own trainer has states there.
    """
    path = options.path.resume_state
    if (path or auto_resume) and any(experiment.states.glob("*.state")):
        raise UsageError(
            f"{experiment.folder} is a run of BasicSR's own trainer, whose states are of another kind; go on with it "
            "by python -m ir_quality_plugin.basicsr_train, or begin a run of another name, with its network as "
            "path.pretrain_network_g"
        )
    if path and not Path(path).is_dir():
        raise UsageError(f"path.resume_state={path}: no such state; expected experiments/NAME/training_states/ITER")
    return [Path(path)] if path else experiment.complete() if auto_resume else []


def go_on(run: Run, states: Sequence[Path]) -> Path | None:
    """Load the first state that is sound, since a disk may lose what it had said to be written; gives which.

    Raises:
        UsageError: the run would not go on exactly.
        CheckpointError: none is sound.
    """
    for state, earlier in itertools.zip_longest(states, states[1:]):
        try:
            progress, own = run.experiment.load_state(state)
            check_part(Progress, progress, state / PROGRESS)
            try:
                _restore(run, progress, own)
            except MISFITS as error:
                if isinstance(error, QualityPluginError):
                    raise
                raise CheckpointError(
                    f"cannot resume from {state}: it holds what no run wrote ({str(error) or type(error).__name__}); "
                    "name an earlier state"
                ) from error
        except CheckpointError as error:
            if earlier is None:
                raise
            run.say(f"{error}; the earlier {earlier} is taken instead")
        else:
            return state
    return None


def progress_of(run: Run, iteration: int, owes_validation: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """What all processes share of a run's progress, and what is this process's own."""
    average, guard = run.parts.average, run.guard
    shared = {
        "iteration": iteration,
        "stopped": run.stopped,
        "owes_validation": owes_validation,
        "same": _same(run),
        "schedulers": [scheduler.state_dict() for scheduler in run.parts.schedulers],
        "average": None if average is None else average.state_dict(),
        "terms": [term.state_dict() for term in run.parts.terms],
        "skipped": run.step.skipped,
        "skipped_in_a_row": run.step.skipped_in_a_row,
        "best": run.best,
        "guard": None if guard is None else {"history": guard.history, "fired": guard.fired},
    }
    return shared, {"synthesis": run.parts.synthesis.state_dict() if run.parts.synthesis else None}


def _same(run: Run) -> dict[str, Any]:
    """What must be the same in a run that goes on exactly."""
    train, images = run.options.train, run.mapping["datasets"]["train"]
    return {
        "manual_seed": run.options.manual_seed,
        "datasets.train.batch_size_per_gpu": images.get("batch_size_per_gpu"),
        "train.accumulate": train.accumulate,
        "terms of train.quality_opt": len(run.parts.terms),
        "train.ema_decay above 0": bool(train.ema_decay),
        "train.opinion_opt": train.opinion_opt,
        "datasets.train.split": images.get("split"),
    }


def _restore(run: Run, progress: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    for name, value in _same(run).items():
        if progress["same"].get(name) != value:
            raise UsageError(
                f"{name} is {value}, the state was written with {progress['same'].get(name)}; an exact resume "
                "needs the same; start a new run from its network with path.pretrain_network_g"
            )
    if progress["stopped"] and run.guard is not None and run.guard.options.action != "warn":
        raise UsageError(f"this run was stopped ({progress['stopped']}); to go on: train.guard.action=warn")
    parts = run.parts
    if parts.synthesis is not None:
        parts.synthesis.load_state_dict(own["synthesis"])
    run.done, run.owes_validation = progress["iteration"], progress.get("owes_validation", False)
    for scheduler, state in zip(parts.schedulers, progress["schedulers"], strict=True):
        if not _alike(state, scheduler.state_dict()):
            raise CheckpointError("the state of a schedule of the learning rate is none of its kind")
        scheduler.load_state_dict(state)
    if parts.average is not None:
        parts.average.load_state_dict(progress["average"])
    for term, state in zip(parts.terms, progress["terms"], strict=True):
        term.load_state_dict(state)
    run.step.skipped, run.step.skipped_in_a_row = progress["skipped"], progress["skipped_in_a_row"]
    run.best = progress["best"]
    if run.guard is not None and progress["guard"] is not None:
        run.guard.history, run.guard.fired = progress["guard"]["history"], progress["guard"]["fired"]


def _alike(state: Mapping[str, Any], present: Mapping[str, Any]) -> bool:
    """Whether two states of a part have the same names, and values of the same kinds; a number is a number."""
    return state.keys() == present.keys() and all(
        isinstance(value, type(present[name]) if not isinstance(present[name], int | float) else int | float)
        for name, value in state.items()
    )


def return_to_the_states_best(run: Run) -> None:
    """Let net_g_best be what it was at the state, or nothing, if the run went on beyond it."""
    best_by = run.task.best_by
    first = next((entries for entries in run.best.values() if best_by in entries), None)
    if best_by is not None:
        best = None if first is None else first[best_by]
        if not run.experiment.return_best(None if best is None else int(best["iter"])):
            run.best = {}


def return_to_guards_best(run: Run) -> None:
    """Put back the networks of the validation at which the guard's metrics were at their best."""
    path = str(run.experiment.models / "net_g_guard_best.pth")
    run.accelerator.wait_for_everyone()
    run.parts.network.load_state_dict(read_network(path, "params"))
    if run.parts.discriminator is not None:
        best = read_network(str(run.experiment.models / "net_d_guard_best.pth"), "params")
        run.accelerator.unwrap_model(run.parts.discriminator).load_state_dict(best)
    if run.parts.average is not None:
        run.parts.average.module.load_state_dict(read_network(path, "params_ema"))
    run.say(f"returned to iteration {run.guard.best_iteration() if run.guard else 0}, and stopped")
