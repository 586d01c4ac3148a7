"""The folder of a run, where BasicSR's users look for it: networks, resumable states, pictures, logs."""

from __future__ import annotations

import hashlib
import pickle
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
import yaml
from accelerate import Accelerator
from safetensors import SafetensorError

from ..checkpoints.read import read_checkpoint
from ..checkpoints.write import sync, whole, why
from ..data.lock import lock_of_training, locked
from ..errors import CheckpointError, QualityPluginError, UsageError
from ..files import regular
from .progress import Stored, check_part
from .together import together

PROGRESS = "progress.pt"
# Ends of the names of a state that a newer one of its iteration replaces, and of one that is dropped.
REPLACED, GOING = ".replaced", ".going.unfinished"
# What Accelerate's reading of a damaged state ends in.
UNREADABLE = (OSError, RuntimeError, ValueError, KeyError, EOFError, SafetensorError, pickle.UnpicklingError)


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

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep another run out of the folder inside of the block, on all processes.

        Raises:
            UsageError: another run is at work there.
            CheckpointError: the folder above cannot be written to.
        """
        with ExitStack() as stack:
            with together(self.accelerator):
                if self.accelerator.is_main_process:
                    stack.enter_context(locked(lock_of_training(self.root, self.folder.name), str(self.folder)))
                    self._put_back()
            yield

    def _put_back(self) -> None:
        """Give states their names again where a kill came while they were replaced."""
        for replaced in self.states.glob(f"*{REPLACED}"):
            state = self.states / replaced.name.removesuffix(REPLACED)
            if state.exists():
                shutil.rmtree(replaced, ignore_errors=True)
            else:
                replaced.rename(state)

    def complete(self) -> list[Path]:
        """The complete states, the last one first."""
        states = [path for path in self.states.glob("*") if path.name.isdigit() and (path / PROGRESS).is_file()]
        return sorted(states, key=lambda path: int(path.name), reverse=True)

    def latest(self) -> Path | None:
        """The last complete state; None where there is none."""
        return next(iter(self.complete()), None)

    def begin(self, resumed: bool) -> str | None:
        """Make the folders; an earlier run of the name is put aside, as BasicSR does, unless it is resumed: where.

        Raises:
            CheckpointError: the folders cannot be made.
        """
        aside = None
        with together(self.accelerator):
            try:
                aside = self._begin(resumed) if self.accelerator.is_main_process else None
            except OSError as error:
                raise CheckpointError(f"{self.folder}: {why(self.folder, error)}; choose another --root") from error
        return aside

    def _begin(self, resumed: bool) -> str | None:
        aside = None
        for folder in (self.folder, self.tensorboard):
            if folder.exists() and not resumed:
                archive = _free(f"{folder}_archived_{time.strftime('%Y%m%d_%H%M%S')}")
                folder.rename(archive)
                aside = aside or str(archive)
        for folder in (self.models, self.states, self.pictures):
            folder.mkdir(parents=True, exist_ok=True)
        for left in self.states.glob("*.unfinished"):
            shutil.rmtree(left, ignore_errors=left.name.endswith(GOING))
        for left in (*self.models.glob(".*.unfinished"), *self.folder.glob(".*.unfinished")):
            left.unlink()
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
                aside = _free(f"{self.folder}/left_at_{iteration}_{time.strftime('%Y%m%d_%H%M%S')}")
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
            try:
                with whole(self.models / f"{label}_{iteration}.pth") as path:
                    torch.save(state, path)
            except CheckpointError as error:
                raise CheckpointError(f"{error}; go on from the last state with --auto_resume") from error

    def save_state(self, iteration: int, progress: Mapping[str, Any], own: Mapping[str, Any], needed: int) -> None:
        """Write a state, whole or not at all, and drop the oldest beyond those that are kept.

        Args:
            iteration: names it.
            progress: what all processes share beside what is prepared.
            own: what this process goes on from.
            needed: bytes that a state takes, about.

        Raises:
            CheckpointError: the disk is full, or the folder cannot be written to; on all processes.
        """
        folder = self.states / str(iteration)
        unfinished = folder.with_suffix(".unfinished")
        try:
            with together(self.accelerator):
                self.accelerator.save_state(str(unfinished))
                torch.save(dict(own), unfinished / f"process_{self.accelerator.process_index}.pt")
            with together(self.accelerator):
                if self.accelerator.is_main_process:
                    self._complete(unfinished, folder, progress)
        except (OSError, RuntimeError, SafetensorError, QualityPluginError) as error:
            reason = why(folder, error)  # before anything is removed
            if self.accelerator.is_main_process:
                shutil.rmtree(unfinished, ignore_errors=True)
            raise CheckpointError(
                f"cannot write the state {folder} ({reason}); it takes about {needed / 2**20:.1f} MiB; the earlier "
                "ones are untouched; check the folder and the disk, and resume with --auto_resume"
            ) from error

    def _complete(self, unfinished: Path, folder: Path, progress: Mapping[str, Any]) -> None:
        """Let a state whose files are written appear under its name."""
        digests = {}
        for path in sorted(unfinished.iterdir()):
            sync(path)
            digests[path.name] = _digest(path)
        processes = self.accelerator.num_processes
        torch.save({**progress, "processes": processes, "digests": digests}, unfinished / PROGRESS)
        sync(unfinished / PROGRESS)
        sync(unfinished)
        replaced = folder.with_name(f"{folder.name}{REPLACED}")
        if folder.exists():
            shutil.rmtree(replaced, ignore_errors=True)  # of an earlier time, when the disk did not let it go
            folder.rename(replaced)
        try:
            unfinished.rename(folder)
        except OSError:
            if replaced.exists():
                replaced.rename(folder)
            raise
        sync(self.states)
        shutil.rmtree(replaced, ignore_errors=True)
        for old in self.complete()[self.keep_states :]:
            _remove(old)

    def load_state(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """Load a state into everything that is prepared; gives the shared progress and what is this process's own.

        Raises:
            UsageError: it was written by another number of processes.
            CheckpointError: missing or damaged.
        """
        with together(self.accelerator):
            progress = check_part(Stored, read_checkpoint(folder / PROGRESS), folder / PROGRESS)
            if progress["processes"] != self.accelerator.num_processes:
                raise UsageError(
                    f"{folder} was written by {progress['processes']} processes, this run has "
                    f"{self.accelerator.num_processes}; an exact resume needs as many: launch "
                    f"--num_processes {progress['processes']}, or start a new run from its network with "
                    "path.pretrain_network_g"
                )
            if self.accelerator.is_main_process:
                _check_digests(folder, progress.get("digests", {}))
        with together(self.accelerator):
            try:
                self.accelerator.load_state(str(folder))
            except UNREADABLE as error:
                raise CheckpointError(f"cannot resume from {folder} ({error}); name an earlier state") from error
            own = read_checkpoint(folder / f"process_{self.accelerator.process_index}.pt")
        return progress, own


def _check_digests(folder: Path, digests: Mapping[str, str]) -> None:
    """Refuse a state with a file that is not as it was written, whatever its size."""
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file() or _digest(path) != digest:
            found = "is damaged" if path.is_file() else "is not there"
            raise CheckpointError(f"cannot resume from {folder} ({name} {found}); name an earlier state")


def _digest(path: Path) -> str:
    with regular(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _free(name: str) -> Path:
    """A path of this name, or of the next one that is free: a clock may go back."""
    return next(path for path in map(Path, (name, *(f"{name}_{i}" for i in range(2, 10_000)))) if not path.exists())


def _remove(state: Path) -> None:
    """Remove a state, if the disk lets it; a kill on the way leaves nothing that looks like one."""
    going = state.with_name(f"{state.name}{GOING}")
    shutil.rmtree(going, ignore_errors=True)
    with suppress(OSError):
        state.rename(going)
        shutil.rmtree(going, ignore_errors=True)
