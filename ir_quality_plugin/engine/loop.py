"""The whole training on one screen: build, prepare, step, validate, save."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, DistributedType

from ..errors import QualityPluginError, UsageError
from ..integrations import basicsr_parts as parts_of
from .build import Parts, build, check_all
from .experiment import Experiment
from .loading import Share, training_loader
from .objective import Batch, Step
from .options import Options
from .preflight import preflight
from .run import Run
from .seeds import mix, seed_everything


def train(options: Options, root: Path, auto_resume: bool = False, say: Callable[[str], None] = print) -> Path:
    """Train a restoration network as its option file says.

    Args:
        options: of `read_options`.
        root: folder below which `experiments` and `tb_logger` lie.
        auto_resume: go on from the last complete state of the run, if there is one.
        say: how lines reach the user; called on the first process alone.

    Returns:
        The folder of the run.

    Raises:
        UsageError: the options are wrong, or a folder or image that they name.
        CheckpointError: weights or a state that are damaged or do not fit, or a disk that is full.
        QualityPluginError: too many steps in a row were not finite, or the validation failed.
    """
    mapping, notes = check_all(options)
    scale, seed, last = options.scale, options.manual_seed, options.train.total_iter
    AcceleratorState._reset_state()  # of an earlier training in this process, perhaps of another precision
    accelerator = Accelerator(
        cpu=not torch.accelerator.is_available(),  # else several processes without a GPU would not find each other
        mixed_precision=options.train.mixed_precision,
        gradient_accumulation_steps=options.train.accumulate,
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=options.find_unused_parameters)],
    )
    refuse_sharding(accelerator)
    preflight(options)
    seed_everything(mix(seed, "weights"))
    datasets = {name: parts_of.build_dataset(entry, name, scale) for name, entry in mapping["datasets"].items()}
    parts = build(options, mapping, accelerator)
    step = Step(parts, options.train, accelerator)
    experiment = Experiment(root, options.name, accelerator, options.logger.keep_states)
    run = Run(options, mapping, accelerator, experiment, parts, step, say)
    done = run.begin(auto_resume, datasets, notes)

    batch_size = int(mapping["datasets"]["train"].get("batch_size_per_gpu") or 1)
    share = Share(
        len(datasets["train"]), batch_size, options.train.accumulate, seed,
        accelerator.process_index, accelerator.num_processes, done + 1, last,
    )  # fmt: skip
    batches = iter(training_loader(datasets["train"], mapping["datasets"]["train"], share, accelerator.device))
    for iteration in run.track(range(done + 1, last + 1)):
        waiting = time.perf_counter()
        samples = list(itertools.islice(batches, options.train.accumulate))
        started = time.perf_counter()
        seed_everything(mix(seed, "step", iteration, accelerator.process_index))
        log = step([batch_of(sample, options, parts, accelerator.device) for sample in samples], iteration)
        run.note(iteration, log, data_time=started - waiting, time=time.perf_counter() - waiting)
        if step.skipped_in_a_row >= options.train.nonfinite_limit:
            raise QualityPluginError(run.explain_divergence(iteration))
        if run.validates(iteration) and run.validate(iteration, datasets) == "stop":
            break
        if run.saves(iteration):
            run.save(iteration)
    return run.end()


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


def batch_of(sample: dict[str, Any], options: Options, parts: Parts, device: torch.device) -> Batch:
    """Bring a sample of the dataset to the device; of clean images, synthesise the degraded ones."""
    if parts.synthesis is None:
        degraded, reference = (sample[name].to(device, non_blocking=True) for name in ("lq", "gt"))
        sharpened = reference
    else:
        degraded, reference, sharpened = parts.synthesis(sample)
    if options.train.channels_last:
        degraded = degraded.contiguous(memory_format=torch.channels_last)
    targets = (
        reference if sharp is False else sharpened
        for sharp in (options.l1_gt_usm, options.percep_gt_usm, options.gan_gt_usm)
    )
    return Batch(degraded, reference, *targets)
