"""Scorers: trained on opinions, validated by how their scores agree with them, written as weights with a card."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import nn

from ..catalog import CATALOG, Entry
from ..checkpoints.initialise import initialise_from_imagenet, initialise_from_teacher
from ..checkpoints.write import write_weights
from ..errors import QualityPluginError, UsageError, nearest
from ..integrations import basicsr_parts as parts_of
from ..integrations.options import check_keys
from ..losses.opinion import OPINION_LOSSES, Judged, OpinionLoss
from ..metrics.correlation import Agreement, agreement
from ..models.card import Card
from ..scorers import Scorer
from .build import average_of, learning, start
from .experiment import Experiment
from .options import Options
from .parts import Parts
from .seeds import mix, seeded
from .step import Step, Values
from .task import Task
from .validation import Validation

MODEL = "ScorerModel"
METHODS = {"TeacherIQAStudent": "teacheriqa", "CKDN": "ckdn", "CVRKD": "cvrkd"}
# What agreement is reported by; numbers of images and contents are no measures of it.
MEASURES = tuple(name for name in Agreement._fields if name not in ("images", "contents"))
FULL = "full_reference_"


@dataclasses.dataclass(frozen=True)
class OpinionValidation(Validation):
    """Agreement of scores with opinions on one set; `scores` holds both, by image.

    Attributes:
        values: by measure, such as srcc; those of CKDN's full-reference setting begin with `full_reference_`.
    """

    values: dict[str, float] = dataclasses.field(default_factory=dict)

    def mean(self, metric: str) -> float:
        """The value of a measure."""
        return self.values[metric]

    def means(self) -> dict[str, float]:
        """Every measure."""
        return self.values


def check_scorer(options: Options, mapping: dict[str, Any]) -> list[str]:
    """Check the option file of a scorer, and fill in what its sets must know.

    Returns:
        Notes for the user: none so far.

    Raises:
        UsageError: names what is wrong and what was expected.
    """
    train = options.train
    foreign = {
        "train.pixel_opt": train.pixel_opt, "train.perceptual_opt": train.perceptual_opt,
        "train.gan_opt": train.gan_opt, "train.ldl_opt": train.ldl_opt, "train.quality_opt": train.quality_opt,
        "train.guard": train.guard, "network_d": options.network_d, "train.optim_d": train.optim_d,
        "val.metrics": options.val.metrics if options.val else None,
    }  # fmt: skip
    for name, value in foreign.items():
        if value is not None:
            raise UsageError(
                f"{name} is for restoration models; a {MODEL} has train.opinion_opt, and reports {MEASURES}"
            )
    for name, network in (("network_g", options.network_g), ("network_t", options.network_t)):
        if network is not None:
            if network.get("type") not in METHODS:
                raise UsageError(f"{name}.type={network.get('type')!r}; {nearest(str(network.get('type')), METHODS)}")
            parts_of.check_network_keys(network, name)
    opinion = train.opinion_opt
    if opinion is None or opinion.get("type") not in OPINION_LOSSES:
        given = None if opinion is None else opinion.get("type")
        raise UsageError(f"train.opinion_opt.type={given!r}; {nearest(str(given), OPINION_LOSSES)}")
    kind = OPINION_LOSSES[opinion["type"]]
    check_keys(kind, opinion, "train.opinion_opt", given=("network", "teacher"))
    if kind.needs_teacher != (options.network_t is not None):
        expected = "expected network_t and path.pretrain_network_t" if kind.needs_teacher else "expected no network_t"
        raise UsageError(f"{kind.__name__} {'needs' if kind.needs_teacher else 'has no'} teacher; {expected}")
    if kind.needs_teacher and options.path.pretrain_network_t is None:
        raise UsageError("path.pretrain_network_t is missing; expected the net_g file of the trained teacher")
    best_by = options.val.best_by if options.val else None
    if best_by is not None and best_by.removeprefix(FULL) not in MEASURES:
        raise UsageError(f"val.best_by={best_by!r}; {nearest(best_by, MEASURES)}")
    for name, dataset in mapping["datasets"].items():
        if dataset.get("type") != "QualityDataset":
            raise UsageError(f"datasets.{name}.type={dataset.get('type')!r}; expected QualityDataset for a {MODEL}")
        dataset["score_range"] = opinion.get("score_range", [0.0, 1.0])
        if dataset.get("split") is not None:
            dataset["split"] = {"seed": options.manual_seed, **dataset["split"]}
    return []


class ScoringStep(Step):
    """Train a scorer."""

    def backward(self, batch: Judged, iteration: int) -> Values:
        """Add the gradients of what a scorer is trained with."""
        total, log = self.parts.generator(batch, iteration)
        self._sound &= bool(total.detach().isfinite())
        self.accelerator.backward(total)
        return {**log, "l_total": total}


class Scoring(Task):
    """Train a scorer on opinions."""

    def __init__(self, options: Options, mapping: dict[str, Any], accelerator: Accelerator) -> None:
        self.options, self.accelerator = options, accelerator
        self.loss = build_loss(options)
        self.parts = prepare(options, self.loss, accelerator)
        self.step = ScoringStep(self.parts, options.train, accelerator)
        settings = ["", FULL] if options.network_g["type"] == "CKDN" else [""]
        self.higher = {setting + name: name != "rmse" for setting in settings for name in MEASURES}
        self.best_by = (options.val.best_by if options.val else None) or "srcc"
        self.validates = options.val is not None
        for dataset in mapping["datasets"].values():
            dataset["needs"] = sorted(self.loss.needs)

    def batch(self, sample: dict[str, Any]) -> Judged:
        """Bring a sample to the device."""
        return Judged(**{name: value.to(self.accelerator.device, non_blocking=True) for name, value in sample.items()})

    def validate(self, dataset: Any, name: str, iteration: int, pictures: Path) -> OpinionValidation:
        """Score every image of a set as inference would, and compare with the opinions.

        Raises:
            QualityPluginError: an image cannot be scored: on every process, with its name.
        """
        scorers = {"": self.scorer(self.parts.best)}
        if FULL + "srcc" in self.higher:
            aligned = dataclasses.replace(self.card(), reference="aligned")
            scorers[FULL] = self.scorer(self.parts.best, aligned)
        rows, problems = [], []
        for index in range(self.accelerator.process_index, len(dataset), self.accelerator.num_processes):
            try:
                with seeded(mix(self.options.manual_seed, name, index)):
                    sample = dataset[index]
                rows.append((index, sample["image"], sample["content"], sample["mos"], self._score(scorers, sample)))
            except (QualityPluginError, OSError) as error:
                problems.append(f"{dataset.rows[index].image.name}: {error}")
        problems = gather_object(problems)
        if problems:
            raise QualityPluginError(f"the validation at iteration {iteration} failed: " + "; ".join(problems[:3]))
        gathered = sorted(gather_object(rows))
        mos = [row[3] for row in gathered]
        contents = [row[2] for row in gathered]
        values: dict[str, float] = {}
        scores = {"mos": {row[1]: row[3] for row in gathered}}
        for setting in scorers:
            given = [row[4][setting] for row in gathered]
            found = agreement(given, mos, contents)._asdict()
            values |= {setting + measure: found[measure] for measure in MEASURES}
            scores[setting + "score"] = {row[1]: row[4][setting] for row in gathered}
        return OpinionValidation(name, iteration, scores, values)

    def _score(self, scorers: Mapping[str, Scorer], sample: Mapping[str, Any]) -> dict[str, float]:
        device = self.accelerator.device
        images = {name: sample[name][None].to(device) for name in ("restored", "degraded") if name in sample}
        references = {"aligned": sample.get("reference"), "any-clean": sample.get("clean")}
        found = {}
        for setting, scorer in scorers.items():
            reference = references.get(scorer.card.reference)
            reference = None if reference is None else reference[None].to(device)
            with torch.no_grad():
                found[setting] = float(scorer(**images, reference=reference))
        return found

    def scorer(self, network: nn.Module, card: Card | None = None) -> Scorer:
        """A frozen scorer of a copy of the network, as users will run it."""
        return entry_of(self.options).scorer(copy.deepcopy(network), card or self.card())

    def card(self, found: str = "") -> Card:
        """The card of what is trained."""
        entry, options = entry_of(self.options), self.options
        arguments = {name: value for name, value in options.network_g.items() if name != "type"}
        crop_px = int(options.datasets["train"]["crop_px"])
        reference = entry.card.reference
        if entry.card.method == "cvrkd" and not self.loss.needs_teacher:
            reference = "aligned"
        return dataclasses.replace(
            entry.card,
            reference=reference,
            score_range=self.loss.score_range,
            bounded=entry.card.bounded and self.loss.score_range == (0.0, 1.0),
            patch_px=crop_px,
            patches=arguments.get("patches", 10) if entry.card.method == "cvrkd" else entry.card.patches,
            normalisation=self.loss.normalisation,
            network=arguments,
            licence="that of the images and opinions it was trained on",
            origin=f"trained as {options.name}{found}",
        )

    def finish(self, experiment: Experiment, datasets: Mapping[str, Any]) -> tuple[list[Validation], list[str]]:
        """Return to the best network, look at the test set once, and write the weights with their card."""
        best, key = experiment.models / "net_g_best.pth", "params" if self.parts.average is None else "params_ema"
        if best.is_file():
            self.parts.best.load_state_dict(parts_of.read_network(str(best), key))
        tests = (
            [self.validate(datasets["test"], "test", self.options.train.total_iter, experiment.pictures)]
            if ("test" in datasets)
            else []
        )
        found = "".join(
            f"; test SRCC {test.values['srcc']:.3f}, PLCC {test.values['plcc_logistic']:.3f}" for test in tests
        )
        path = experiment.models / "scorer.safetensors"
        if self.accelerator.is_main_process:
            write_weights(path, self.parts.best.state_dict(), self.card(found))
        return list(tests), [f"the scorer: {path}; irq score IMAGE --scorer {self.card().name} --weights {path}"]


def entry_of(options: Options) -> Entry:
    """The catalogue's entry of the network that is trained: the compact one where its arguments are that one's."""
    method = METHODS[options.network_g["type"]]
    arguments = {name: value for name, value in options.network_g.items() if name != "type"}
    compact = CATALOG[f"{method}-s"]
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in compact.card.network.items()}
    return compact if arguments == plain else CATALOG[method]


def build_loss(options: Options) -> OpinionLoss:
    """Build the network, with what it starts from, inside of the loss that trains it.

    Raises:
        UsageError: an option that a part refuses, or two things to start from.
        CheckpointError: weights that are missing, damaged or do not fit.
    """
    path = options.path
    starts = [name for name in ("pretrain_network_g", "imagenet", "pretrain_teacher") if getattr(path, name)]
    if len(starts) > 1:
        raise UsageError(f"path has {' and '.join(starts)}; expected one thing to start from")
    network = start(options.network_g, path.pretrain_network_g, path.param_key_g, path.strict_load_g)
    if path.imagenet is not None:
        initialise_from_imagenet(network, torchvision_weights(path.imagenet))
    if path.pretrain_teacher is not None:
        initialise_from_teacher(
            network, parts_of.read_network(path.pretrain_teacher, "params_ema"), path.pretrain_teacher
        )
    entries = dict(options.train.opinion_opt or {})
    kind = OPINION_LOSSES[entries.pop("type")]
    if kind.needs_teacher:
        entries["teacher"] = start(options.network_t or {}, path.pretrain_network_t, path.param_key_t, strict=True)
    try:
        return kind(network, **entries)
    except UsageError as error:
        raise UsageError(f"train.opinion_opt: {error}") from error


def torchvision_weights(name: str) -> Any:
    """A member of torchvision's `ResNet50_Weights` by its name, or the path of a file."""
    from torchvision.models import ResNet50_Weights

    return ResNet50_Weights.__members__.get(name, name)


def prepare(options: Options, loss: OpinionLoss, accelerator: Accelerator) -> Parts:
    """Prepare a scorer's loss, optimiser and schedule."""
    train = options.train
    layout = torch.channels_last if train.channels_last else torch.contiguous_format
    loss.to(accelerator.device)
    loss.network.to(memory_format=layout)
    average = average_of(loss.network, options)
    optimiser = parts_of.build_optimiser(train.optim_g, learning(loss.network, options), "train.optim_g")
    scheduler = parts_of.build_scheduler(train.scheduler, optimiser)
    trained: Any = torch.compile(loss) if train.compile else loss
    generator, prepared = accelerator.prepare(trained, optimiser)
    return Parts("scorer", loss.network, generator, None, average, [prepared], [scheduler])
