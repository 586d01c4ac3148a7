"""Around the loop: where a run begins, what it writes, when it validates and saves, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast, gather_object
from tqdm import tqdm

from ..errors import UsageError
from .checks import is_validation
from .experiment import Experiment, Log
from .guard import Guard
from .options import Options
from .preflight import check_space
from .step import Values
from .task import Task
from .validation import Validation

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
    """

    def __init__(
        self,
        options: Options,
        mapping: dict[str, Any],
        accelerator: Accelerator,
        experiment: Experiment,
        task: Task,
        say: Callable[[str], None],
    ) -> None:
        self.options, self.mapping, self.accelerator = options, mapping, accelerator
        self.experiment, self.task, self.parts, self.step = experiment, task, task.parts, task.step
        self.say = say if accelerator.is_main_process else lambda line: None
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
        path = self.options.path.resume_state
        state = Path(path) if path else self.experiment.latest() if auto_resume else None
        if path and not Path(path).is_dir():
            raise UsageError(f"path.resume_state={path}: no such state; expected experiments/NAME/training_states/ITER")
        check_space(self.experiment.root, COPIES_A_STATE * 4 * self._parameters())
        aside = self.experiment.begin(state is not None)
        if aside:
            self.say(f"an earlier run of this name was put aside: {aside}")
        if state is not None:
            self._restore(*self.experiment.load_state(state))
            self.experiment.put_aside_beyond(self.done)
            self._return_to_the_states_best()
        self.experiment.write_options(self.mapping)
        began = self.done
        self._saved = began if state is not None else -1
        # A run that had ended looks at no test set a second time.
        self.over = began == self.options.train.total_iter and (self.experiment.models / "net_g_latest.pth").is_file()
        if self.accelerator.is_main_process:
            self.log = Log(self.experiment.folder / "log.jsonl", self.done)
            if self.options.logger.use_tb_logger:
                from torch.utils.tensorboard import SummaryWriter

                self.board = SummaryWriter(str(self.experiment.tensorboard), purge_step=self.done + 1)
        for note in dict.fromkeys([*notes, *(note for one in datasets.values() for note in getattr(one, "notes", ()))]):
            self.say(note)
        self.say(self._opening(datasets))
        if state is not None:
            self.say(f"resumed from {state}: {self.done} of {self.options.train.total_iter} iterations are done")
        return self.done

    def _return_to_the_states_best(self) -> None:
        """Let net_g_best be what it was at the state, or nothing, if the run went on beyond it."""
        first = next((entries for entries in self.best.values() if self.task.best_by in entries), None)
        if self.task.best_by is not None:
            best = None if first is None else first[self.task.best_by]
            if not self.experiment.return_best(None if best is None else int(best["iter"])):
                self.best = {}

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
        if not self.over:
            tests, lines = self.task.finish(self.experiment, datasets)
            for test in tests:
                self._record(test, kind="test")
            for line in lines:
                self.say(line)
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
        for name, dataset in datasets.items():
            if not is_validation(name):
                continue
            found = self.task.validate(dataset, name, iteration, self.experiment.pictures)
            improved = self._record(found)
            if name == next(filter(is_validation, datasets)):
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
            self._return_to_best()
        return "stop"

    def _return_to_best(self) -> None:
        """Put back the networks of the validation at which the watched metrics were at their best."""
        from ..integrations.basicsr_parts import read_network

        path = str(self.experiment.models / "net_g_guard_best.pth")
        self.accelerator.wait_for_everyone()
        self.parts.network.load_state_dict(read_network(path, "params"))
        if self.parts.discriminator is not None:
            best = read_network(str(self.experiment.models / "net_d_guard_best.pth"), "params")
            self.accelerator.unwrap_model(self.parts.discriminator).load_state_dict(best)
        if self.parts.average is not None:
            self.parts.average.module.load_state_dict(read_network(path, "params_ema"))
        self.say(f"returned to iteration {self.guard.best_iteration() if self.guard else 0}, and stopped")

    # -- saving

    def saves(self, iteration: int) -> bool:
        """Whether this iteration is followed by saving."""
        return iteration % self.options.logger.save_checkpoint_freq == 0

    def save(self, iteration: int) -> None:
        """Write the networks, as BasicSR reads them, and the state that a resumed run goes on from."""
        self._save_networks(iteration)
        self._saved = iteration
        average = self.parts.average
        self.experiment.save_state(
            iteration,
            {
                "iteration": iteration,
                "stopped": self.stopped,
                "same": self._same(),
                "schedulers": [scheduler.state_dict() for scheduler in self.parts.schedulers],
                "average": None if average is None else average.state_dict(),
                "terms": [term.state_dict() for term in self.parts.terms],
                "skipped": self.step.skipped,
                "skipped_in_a_row": self.step.skipped_in_a_row,
                "best": self.best,
                "guard": None if self.guard is None else {"history": self.guard.history, "fired": self.guard.fired},
            },
            {"synthesis": self.parts.synthesis.state_dict() if self.parts.synthesis else None},
        )

    def _save_networks(self, iteration: int | str) -> None:
        weights = {"params": self.parts.network.state_dict()}
        if self.parts.average is not None:
            weights["params_ema"] = self.parts.average.module.state_dict()
        self.experiment.save_network("net_g", iteration, weights)
        if self.parts.discriminator is not None:
            discriminator = self.accelerator.unwrap_model(self.parts.discriminator)
            self.experiment.save_network("net_d", iteration, {"params": discriminator.state_dict()})

    def _same(self) -> dict[str, Any]:
        """What must be the same in a run that goes on exactly."""
        train = self.options.train
        return {
            "manual_seed": self.options.manual_seed,
            "datasets.train.batch_size_per_gpu": self.mapping["datasets"]["train"].get("batch_size_per_gpu"),
            "train.accumulate": train.accumulate,
            "terms of train.quality_opt": len(self.parts.terms),
            "train.ema_decay above 0": bool(train.ema_decay),
            "train.opinion_opt": train.opinion_opt,
            "datasets.train.split": self.mapping["datasets"]["train"].get("split"),
        }

    def _restore(self, progress: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        for name, value in self._same().items():
            if progress["same"].get(name) != value:
                raise UsageError(
                    f"{name} is {value}, the state was written with {progress['same'].get(name)}; an exact resume "
                    "needs the same; start a new run from its network with path.pretrain_network_g"
                )
        if progress["stopped"] and self.guard is not None and self.guard.options.action != "warn":
            raise UsageError(f"this run was stopped ({progress['stopped']}); to go on: train.guard.action=warn")
        if self.parts.synthesis is not None:
            self.parts.synthesis.load_state_dict(own["synthesis"])
        self.done = progress["iteration"]
        for scheduler, state in zip(self.parts.schedulers, progress["schedulers"], strict=True):
            scheduler.load_state_dict(state)
        if self.parts.average is not None:
            self.parts.average.load_state_dict(progress["average"])
        for term, state in zip(self.parts.terms, progress["terms"], strict=True):
            term.load_state_dict(state)
        self.step.skipped, self.step.skipped_in_a_row = progress["skipped"], progress["skipped_in_a_row"]
        self.best = progress["best"]
        if self.guard is not None and progress["guard"] is not None:
            self.guard.history, self.guard.fired = progress["guard"]["history"], progress["guard"]["fired"]
