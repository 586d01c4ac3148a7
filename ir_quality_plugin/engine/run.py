"""Around the loop: where a run begins, what it writes, when it validates and saves, and what it says."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast, gather_object
from tqdm import tqdm

from ..errors import QualityPluginError, Stopped
from .checks import is_validation
from .continuing import go_on, progress_of, return_to_guards_best, return_to_the_states_best, states_of
from .experiment import Experiment
from .guard import Guard
from .loading import Unreadable
from .log import Log
from .options import Options
from .preflight import check_space
from .step import Values
from .stopping import StopRequest
from .task import Task
from .together import greatest
from .validation import Interrupted, Validation

# Weights, their average, two moments of the optimiser; and as much again while the next state is written.
COPIES_A_STATE = 8


class Run:
    """One training from its beginning, or from a state, to its end.

    Args:
        options: of the option file.
        mapping: the same as BasicSR's mapping, completed.
        accelerator: of this process.
        experiment: its folder.
        task: what is trained, and how.
        say: how lines reach the user.
        asked: whether the run is to stop.

    Attributes:
        owes_validation: whether the state that the run goes on from was saved before its validation.
    """

    def __init__(
        self,
        options: Options,
        mapping: dict[str, Any],
        accelerator: Accelerator,
        experiment: Experiment,
        task: Task,
        say: Callable[[str], None],
        asked: StopRequest,
    ) -> None:
        self.options, self.mapping, self.accelerator = options, mapping, accelerator
        self.experiment, self.task, self.parts, self.step = experiment, task, task.parts, task.step
        self.say = say if accelerator.is_main_process else lambda line: None
        self.asked = task.asked = asked
        self.owes_validation = False
        self.guard = Guard(options.train.guard, task.higher) if options.train.guard else None
        self.best: dict[str, dict[str, dict[str, float]]] = {}
        self.done = 0
        self.over = False
        self.stopped: str | None = None
        self.log: Log | None = None
        self.board: Any = None

    # -- beginning and end

    def begin(self, auto_resume: bool, datasets: Mapping[str, Any], notes: list[str]) -> int:
        """Load the state to go on from, if there is one, and say what will run; gives the iterations done."""
        states = states_of(self.options, self.experiment, auto_resume)
        check_space(self.experiment.root, self.needed)
        aside = self.experiment.begin(bool(states))
        if aside:
            self.say(f"an earlier run of this name was put aside: {aside}")
        state = go_on(self, states)
        if state is not None:
            self.experiment.put_aside_beyond(self.done)
            return_to_the_states_best(self)
        self.experiment.write_options(self.mapping)
        began = self.done
        self._saved = began if state is not None and not self.owes_validation else -1
        log = Log(self.experiment.folder / "log.jsonl", self.done, self.owes_validation)
        self.over = log.ended and began == self.options.train.total_iter
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.log = log
            self.log.begin()
            if self.options.logger.use_tb_logger:
                from torch.utils.tensorboard import SummaryWriter

                self.board = SummaryWriter(str(self.experiment.tensorboard), purge_step=self.done + 1)
        for note in dict.fromkeys([*notes, *(note for one in datasets.values() for note in getattr(one, "notes", ()))]):
            self.say(note)
        self.say(self._opening(datasets))
        if state is not None:
            self.say(f"resumed from {state}: {self.done} of {self.options.train.total_iter} iterations are done")
        return self.done

    @property
    def needed(self) -> int:
        """About how many bytes a state takes, beside the one before it."""
        return COPIES_A_STATE * 4 * self._parameters()

    def _parameters(self) -> int:
        networks = [self.parts.network, self.parts.discriminator]
        return sum(weight.numel() for network in networks if network is not None for weight in network.parameters())

    def _opening(self, datasets: Mapping[str, Any]) -> str:
        accelerator = self.accelerator
        processes = "1 process" if accelerator.num_processes == 1 else f"{accelerator.num_processes} processes"
        images = ", ".join(f"{name} {len(dataset)} images" for name, dataset in datasets.items())
        return (
            f"{self.options.name}: {accelerator.device.type}, {processes}, precision {accelerator.mixed_precision}, "
            f"{self.options.network_g['type']} {self._parameters() / 1e6:.2f} M parameters, {images}"
        )

    def end(self, datasets: Mapping[str, Any]) -> Path:
        """Write the last network, and say what was best and where everything is."""
        if self._saved != self.done or self.stopped:
            self.save(self.done)
        self._save_networks("latest")
        bests = [
            f"best {name} {entry['value']:.4f} at iteration {entry['iter']:.0f} ({dataset})"
            for dataset, metrics in self.best.items()
            for name, entry in metrics.items()
            if self.task.best_by in (None, name)
        ]
        if not self.over:  # a run that had ended looks at no test set a second time
            self.task.asked = lambda: False  # it is seen to its end
            tests, lines = self.task.finish(self.experiment, datasets)
            for test in tests:
                self._record(test, kind="test")
            for line in lines:
                self.say(line)
            if self.log is not None:
                self.log.write(kind="done", iter=self.done)
        skipped = [f"{self.step.skipped} steps were skipped as not finite"] if self.step.skipped else []
        self.say(f"done: {'; '.join([*bests, *skipped, f'everything is in {self.experiment.folder}'])}")
        if self.board is not None:
            self.board.close()
        self.accelerator.wait_for_everyone()
        return self.experiment.folder

    # -- every iteration

    def track(self, iterations: Iterable[int]) -> Iterator[int]:
        """Show progress, with rate and time left, where a person looks on."""
        total = self.options.train.total_iter
        hidden = None if self.accelerator.is_main_process else True
        with tqdm(iterations, initial=self.done, total=total, unit="it", disable=hidden, dynamic_ncols=True) as bar:
            self._bar = bar
            yield from bar

    def note(self, iteration: int, values: Values, **times: float) -> None:
        """Log an iteration, as a mean over the processes, every `print_freq`; and what was skipped."""
        self.done = iteration
        if iteration % self.options.logger.print_freq:
            return
        # As objects: a process whose images were not finite has fewer values.
        everywhere = gather_object([{name: value.item() for name, value in values.items()}])
        names = sorted(set().union(*everywhere))
        entry = {name: fmean(own[name] for own in everywhere if name in own) for name in names}
        rate = self.parts.optimisers[0].param_groups[0]["lr"]
        if self.log is not None:
            self.log.write(kind="train", iter=iteration, lr=rate, skipped=self.step.skipped, **entry, **times)
        if self.board is not None:
            for name, value in {**entry, "lr": rate}.items():
                self.board.add_scalar(f"losses/{name}" if name.startswith("l_") else name, value, iteration)
        self._bar.set_postfix({name: f"{value:.3g}" for name, value in entry.items() if name.startswith("l_")})

    def explain_divergence(self, iteration: int) -> str:
        """Say what is known when too many steps in a row were not finite."""
        last = self.experiment.latest()
        return (
            f"the run stops at iteration {iteration}: {self.step.skipped_in_a_row} steps in a row had a gradient with "
            f"NaN or Inf, {self.step.skipped} in all; the last state is {last or 'none'}; lower train.optim_g.lr, set "
            "train.clip_grad_norm, or look at the inputs"
        )

    # -- after every iteration

    def stop_or_go_on(self, done: int, samples: list[Any] | Unreadable) -> list[Any]:
        """Save, and end, where a process was asked to stop or has no images for the next step; agreed on by all.

        Args:
            done: the last iteration that is done.
            samples: of the next one, on this process.

        Returns:
            The samples.

        Raises:
            Stopped: by a signal.
            QualityPluginError: images cannot be loaded.
        """
        reason = samples.reason if isinstance(samples, Unreadable) else None
        number, broken = greatest(self.accelerator, self.asked.signal, reason is not None)
        if not (isinstance(samples, Unreadable) or number or broken):
            return samples
        if self._saved != done:
            self._save_state(done)
        if number:
            raise self._stopped(done, number)
        reasons = list(filter(None, gather_object([reason])))
        raise QualityPluginError(
            f"the images of iteration {done + 1} cannot be loaded: {'; '.join(reasons[:3])}; iteration {done} is "
            "saved: mend or put back the files, and go on with --auto_resume"
        )

    def _stopped(self, done: int, number: int) -> Stopped:
        name, total = signal.Signals(number).name, self.options.train.total_iter
        return Stopped(
            f"stopped by {name}: {done} of {total} iterations are done and saved; go on with --auto_resume", number
        )

    def follow(self, iteration: int, datasets: Mapping[str, Any]) -> bool:
        """Validate and save, where either is due after an iteration; gives whether the run ends here.

        Raises:
            Stopped: asked to stop in the validation, which a resumed run begins with.
        """
        if self.validates(iteration):
            try:
                verdict = self.validate(iteration, datasets)
            except Interrupted:
                self._save_state(iteration, owes_validation=True)
                raise self._stopped(iteration, max(greatest(self.accelerator, self.asked.signal))) from None
            if verdict == "stop":
                return True
        if self.saves(iteration):
            self.save(iteration)
        return False

    # -- validation

    def validates(self, iteration: int) -> bool:
        """Whether this iteration is followed by a validation."""
        if self.options.val is None or not self.task.validates:
            return False
        frequency = self.options.val.val_freq or self.options.train.total_iter
        return iteration % frequency == 0 or iteration == self.options.train.total_iter

    def validate(self, iteration: int, datasets: Mapping[str, Any]) -> str | None:
        """Score every validation set, ask the guard; gives "stop" if it wants the run to end."""
        verdict = None
        self._share_statistics()
        names = list(filter(is_validation, datasets))
        # All of them before any is written down: a validation that is interrupted has not been.
        pictures = self.experiment.pictures
        for found in [self.task.validate(datasets[name], name, iteration, pictures) for name in names]:
            improved = self._record(found)
            if found.name == names[0]:
                if self.task.best_by in improved:
                    self._save_networks("best")
                    self._save_networks(f"best_{iteration}")
                if self.guard is not None:
                    verdict = self._ask_guard(found) or verdict
        return verdict

    def _share_statistics(self) -> None:
        """Give all processes the first one's batch statistics, which are the ones that are saved."""
        if self.accelerator.num_processes > 1:
            for network in (self.parts.network, self.parts.average):
                for statistic in () if network is None else network.buffers():
                    broadcast(statistic)

    def _record(self, found: Validation, kind: str = "val") -> list[str]:
        """Write down what a validation found; gives the metrics that are better than ever."""
        means, improved = found.means(), []
        bests = self.best.setdefault(found.name, {})
        for metric, value in means.items():
            sign = 1 if self.task.higher[metric] else -1
            if isfinite(value) and (metric not in bests or sign * value > sign * bests[metric]["value"]):
                bests[metric] = {"value": value, "iter": found.iteration}
                improved.append(metric)
        if self.log is not None:
            self.log.write(kind=kind, iter=found.iteration, dataset=found.name, mean=means, scores=found.scores)
        if self.board is not None:
            for metric, value in means.items():
                self.board.add_scalar(f"metrics/{found.name}/{metric}", value, found.iteration)
        self.say(f"iteration {found.iteration}, {found.name}: " + ", ".join(f"{m} {v:.4f}" for m, v in means.items()))
        return improved

    def _ask_guard(self, found: Validation) -> str | None:
        if self.guard is None:
            return None
        message = self.guard.watch(found)
        if self.guard.best_iteration() == found.iteration and self.guard.options.action == "restore_best":
            self._save_networks("guard_best")
        if message is None:
            return None
        self.say(message)
        if self.log is not None:
            self.log.write(kind="guard", iter=found.iteration, message=message, action=self.guard.options.action)
        if self.guard.options.action == "warn":
            return None
        self.stopped = message
        if self.guard.options.action == "restore_best":
            return_to_guards_best(self)
        return "stop"

    # -- saving

    def saves(self, iteration: int) -> bool:
        """Whether this iteration is followed by saving."""
        return iteration % self.options.logger.save_checkpoint_freq == 0

    def save(self, iteration: int) -> None:
        """Write the networks, as BasicSR reads them, and the state that a resumed run goes on from."""
        self._save_networks(iteration)
        self._save_state(iteration)

    def _save_state(self, iteration: int, owes_validation: bool = False) -> None:
        self._saved = iteration
        if self.log is not None:
            self.log.keep()
        if self.board is not None:
            self.board.flush()
        self.experiment.save_state(iteration, *progress_of(self, iteration, owes_validation), self.needed)

    def _save_networks(self, iteration: int | str) -> None:
        weights = {"params": self.parts.network.state_dict()}
        if self.parts.average is not None:
            weights["params_ema"] = self.parts.average.module.state_dict()
        self.experiment.save_network("net_g", iteration, weights)
        if self.parts.discriminator is not None:
            discriminator = self.accelerator.unwrap_model(self.parts.discriminator)
            self.experiment.save_network("net_d", iteration, {"params": discriminator.state_dict()})
