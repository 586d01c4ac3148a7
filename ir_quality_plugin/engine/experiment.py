"""The folder of a run, where BasicSR's users look for it: networks, resumable states, pictures, logs."""

from __future__ import annotations

import json
import pickle
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from accelerate import Accelerator
from safetensors import SafetensorError

from ..checkpoints.read import read_checkpoint
from ..checkpoints.write import whole
from ..errors import CheckpointError, UsageError

PROGRESS = "progress.pt"


class Experiment:
    """`experiments/NAME` below the root.

    `models/net_g_ITER.pth` is what BasicSR loads; `training_states/ITER` is a folder, complete under that name or not
    there, from which a run goes on exactly.

    Args:
        root: folder below which everything lies.
        name: of the run.
        accelerator: of this process; the first process alone renames and removes.
        keep_states: the last so many states are kept.
    """

    def __init__(self, root: Path, name: str, accelerator: Accelerator, keep_states: int) -> None:
        self.root, self.folder = root, root / "experiments" / name
        self.models, self.states = self.folder / "models", self.folder / "training_states"
        self.pictures = self.folder / "visualization"
        self.tensorboard = root / "tb_logger" / name
        self.accelerator, self.keep_states = accelerator, keep_states

    def latest(self) -> Path | None:
        """The last complete state; None where there is none."""
        states = [path for path in self.states.glob("*") if path.name.isdigit() and (path / PROGRESS).is_file()]
        return max(states, key=lambda path: int(path.name), default=None)

    def begin(self, resumed: bool) -> str | None:
        """Make the folders; an earlier run of the name is put aside, as BasicSR does, unless it is resumed: where."""
        aside = None
        if self.accelerator.is_main_process:
            for folder in (self.folder, self.tensorboard):
                if folder.exists() and not resumed:
                    archive = f"{folder}_archived_{time.strftime('%Y%m%d_%H%M%S')}_{time.time_ns() % 10**6:06d}"
                    folder.rename(archive)
                    aside = aside or archive
            for folder in (self.models, self.states, self.pictures):
                folder.mkdir(parents=True, exist_ok=True)
            for left in self.states.glob("*.unfinished"):
                shutil.rmtree(left)
            for left in self.models.glob(".*.unfinished"):
                left.unlink()
        self.accelerator.wait_for_everyone()
        return aside

    def write_options(self, options: Mapping[str, Any]) -> None:
        """Write the resolved options of the run."""
        if self.accelerator.is_main_process:
            with whole(self.folder / "options.yml") as path:
                path.write_text(yaml.safe_dump(dict(options), sort_keys=False))

    def put_aside_beyond(self, iteration: int) -> None:
        """Put later states and networks of a branch that is left aside, so that nothing takes them for this one's."""
        if self.accelerator.is_main_process:
            later = [path for path in self.states.glob("*") if path.name.isdigit() and int(path.name) > iteration]
            for path in self.models.glob("*.pth"):
                number = path.stem.rpartition("_")[2]
                later += [path] if number.isdigit() and int(number) > iteration else []
            if later:
                aside = self.folder / f"left_at_{iteration}_{time.strftime('%Y%m%d_%H%M%S')}"
                for path in later:
                    (aside / path.parent.name).mkdir(parents=True, exist_ok=True)
                    path.rename(aside / path.parent.name / path.name)
        self.accelerator.wait_for_everyone()

    def return_best(self, iteration: int | None) -> bool:
        """Make the best networks of an iteration the best again; gives whether they were kept."""
        names = sorted(self.models.glob("net_*_best.pth"))
        kept = sorted(self.models.glob(f"net_*_best_{iteration}.pth"))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            for path in names:
                path.unlink()
            for path in kept:
                with whole(path.with_name(f"{path.stem.rpartition('_')[0]}.pth")) as unfinished:
                    shutil.copyfile(path, unfinished)
        self.accelerator.wait_for_everyone()
        return bool(kept)

    def save_network(self, label: str, iteration: int | str, weights: Mapping[str, Any]) -> None:
        """Write `models/LABEL_ITER.pth`, as BasicSR does: state dicts by key (`params`, `params_ema`)."""
        if self.accelerator.is_main_process:
            state = {key: {name: tensor.cpu() for name, tensor in inner.items()} for key, inner in weights.items()}
            with whole(self.models / f"{label}_{iteration}.pth") as path:
                torch.save(state, path)

    def save_state(self, iteration: int, progress: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        """Write a state, whole or not at all, and drop the oldest beyond those that are kept.

        Args:
            iteration: names it.
            progress: what all processes share beside what is prepared.
            own: what this process goes on from.
        """
        folder = self.states / str(iteration)
        unfinished = folder.with_suffix(".unfinished")
        try:
            self.accelerator.save_state(str(unfinished))
            torch.save(dict(own), unfinished / f"process_{self.accelerator.process_index}.pt")
            self.accelerator.wait_for_everyone()
            if self.accelerator.is_main_process:
                torch.save({**progress, "processes": self.accelerator.num_processes}, unfinished / PROGRESS)
                if folder.exists():
                    _remove(folder)
                unfinished.rename(folder)
                self._drop_old_states()
        except (OSError, RuntimeError) as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise CheckpointError(
                f"cannot write the state {folder} ({error}); the earlier ones are untouched; check the folder and the "
                "disk, and resume with --auto_resume"
            ) from error
        self.accelerator.wait_for_everyone()

    def _drop_old_states(self) -> None:
        states = sorted((path for path in self.states.glob("*") if path.name.isdigit()), key=lambda p: int(p.name))
        for old in states[: -self.keep_states]:
            _remove(old)

    def load_state(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """Load a state into everything that is prepared; gives the shared progress and what is this process's own.

        Raises:
            UsageError: it was written by another number of processes.
            CheckpointError: missing or damaged.
        """
        progress = read_checkpoint(folder / PROGRESS)
        if not isinstance(progress, Mapping) or not isinstance(progress.get("processes"), int):
            raise CheckpointError(f"{folder / PROGRESS} is none that a run wrote; name an earlier state")
        if progress["processes"] != self.accelerator.num_processes:
            raise UsageError(
                f"{folder} was written by {progress['processes']} processes, this run has "
                f"{self.accelerator.num_processes}; an exact resume needs as many: launch "
                f"--num_processes {progress['processes']}, or start a new run from its network with "
                "path.pretrain_network_g"
            )
        try:
            self.accelerator.load_state(str(folder))
        except (OSError, RuntimeError, ValueError, SafetensorError, pickle.UnpicklingError) as error:
            raise CheckpointError(f"cannot resume from {folder} ({error}); name an earlier state") from error
        return dict(progress), read_checkpoint(folder / f"process_{self.accelerator.process_index}.pt")


def _remove(state: Path) -> None:
    """Remove a state; a kill on the way leaves nothing that looks like one."""
    going = state.with_name(f"{state.name}.going.unfinished")
    state.rename(going)
    shutil.rmtree(going)


class Log:
    """JSON lines of a run; a resumed run goes on where its state was written.

    Args:
        path: of the file.
        last: iteration of the state that is resumed from; later lines are dropped.
    """

    def __init__(self, path: Path, last: int = 0) -> None:
        self.path = path
        if path.is_file():
            lines = path.read_text().splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["iter"] <= last]
            with whole(path) as unfinished:
                unfinished.write_text("".join(kept))

    def write(self, **entry: Any) -> None:
        """Append one line; a number that is not finite, which JSON has no word for, is null."""
        plain = json.loads(json.dumps(entry), parse_constant=lambda name: None)
        with self.path.open("a") as file:
            file.write(json.dumps(plain) + "\n")
