"""The whole training on one screen: build, prepare, step, validate, save."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, DistributedType

from ..errors import QualityPluginError, UsageError
from ..integrations import basicsr_parts as parts_of
from .experiment import Experiment
from .kinds import check_all, leaves_weights_out, task_of
from .loading import Share, next_batches, training_loader
from .options import Options
from .preflight import preflight
from .run import Run
from .seeds import mix, seed_everything
from .stopping import StopRequest
from .together import explained


def train(options: Options, root: Path, auto_resume: bool = False, say: Callable[[str], None] = print) -> Path:
    """Train a restoration network, or a scorer, as its option file says.

    Args:
        options: of `read_options`.
        root: folder below which `experiments` and `tb_logger` lie.
        auto_resume: go on from the last complete state of the run, if there is one.
        say: how lines reach the user; called on the first process alone.

    Returns:
        The folder of the run.

    Raises:
        UsageError: the options are wrong, or a folder or image that they name; another run is in the folder.
        CheckpointError: weights or a state that are damaged or do not fit, or a disk that is full.
        Stopped: a signal asked for it; the state is saved.
        QualityPluginError: too many steps in a row were not finite, the validation failed, images cannot be loaded any
            more, or a process that belongs to the run was ended.
    """
    mapping, notes = check_all(options)
    scale, seed, last = options.scale, options.manual_seed, options.train.total_iter
    AcceleratorState._reset_state()  # of an earlier training in this process, perhaps of another precision
    accelerator = Accelerator(
        cpu=not torch.accelerator.is_available(),  # else several processes without a GPU would not find each other
        mixed_precision=options.train.mixed_precision,
        gradient_accumulation_steps=options.train.accumulate,
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=leaves_weights_out(options))],
    )
    refuse_sharding(accelerator)
    preflight(options)
    seed_everything(mix(seed, "weights"))
    task = task_of(options, mapping, accelerator)
    datasets = {name: parts_of.build_dataset(entry, name, scale) for name, entry in mapping["datasets"].items()}
    task.check(datasets)
    experiment = Experiment(root, options.name, accelerator, options.logger.keep_states)
    with StopRequest() as asked, experiment.held(), explained(experiment):
        run = Run(options, mapping, accelerator, experiment, task, say, asked)
        done = run.begin(auto_resume, datasets, notes)
        over = run.owes_validation and run.follow(done, datasets)
        batch_size = int(mapping["datasets"]["train"].get("batch_size_per_gpu") or 1)
        share = Share(
            len(datasets["train"]), batch_size, options.train.accumulate, seed,
            accelerator.process_index, accelerator.num_processes, done + 1, done if over else last,
        )  # fmt: skip
        batches = iter(training_loader(datasets["train"], mapping["datasets"]["train"], share, accelerator.device))
        for iteration in run.track(range(share.first, share.last + 1)):
            waiting = time.perf_counter()
            loaded = next_batches(batches, options.train.accumulate)
            started = time.perf_counter()
            samples = run.stop_or_go_on(iteration - 1, loaded)
            seed_everything(mix(seed, "step", iteration, accelerator.process_index))
            log = task.step([task.batch(sample) for sample in samples], iteration)
            run.note(iteration, log, data_time=started - waiting, time=time.perf_counter() - waiting)
            if task.step.skipped_in_a_row >= options.train.nonfinite_limit:
                raise QualityPluginError(run.explain_divergence(iteration))
            if run.follow(iteration, datasets):
                break
        return run.end(datasets)


def refuse_sharding(accelerator: Accelerator) -> None:
    """DeepSpeed and FSDP split the weights, which validation, averages and skipped steps here need whole.

    Raises:
        UsageError: launched under one of them.
    """
    sharded = (DistributedType.DEEPSPEED, DistributedType.FSDP, DistributedType.MEGATRON_LM)
    if accelerator.distributed_type in sharded:
        raise UsageError(
            f"{accelerator.distributed_type.value} splits the weights over processes, which is not supported: "
            "restoration networks fit one GPU; expected distributed_type: MULTI_GPU"
        )
