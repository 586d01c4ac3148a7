"""Scorers: trained on opinions, validated by how their scores agree with them, written as weights with a card."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from ..catalog import CATALOG, Entry, name_by_size
from ..checkpoints.initialise import initialise_from_imagenet, initialise_from_teacher
from ..checkpoints.write import write_weights
from ..errors import UsageError
from ..integrations import basicsr_parts as parts_of
from ..losses.opinion import OPINION_LOSSES, Judged, OpinionLoss
from ..metrics.correlation import agreement
from ..models.card import Card
from ..scorers import Scorer
from .build import average_of, learning, start, weights_of
from .experiment import Experiment
from .options import Options
from .parts import Parts
from .scorer_checks import MEASURES, METHODS
from .seeds import mix, seeded
from .step import Step, Values
from .task import Task
from .validation import Validation, end_together, share_of

# The image of a sample that each kind of scorer judges against.
GUIDES = {"none": None, "degraded": "degraded", "aligned": "reference", "any-clean": "clean"}


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
        self.higher = {setting + name: name != "rmse" for setting, _ in self.loss.settings for name in MEASURES}
        self.best_by = (options.val.best_by if options.val else None) or "srcc"
        self.validates = options.val is not None
        judged_with = {guide for _, kind in self.loss.settings if (guide := GUIDES[kind])}
        for name, dataset in mapping["datasets"].items():
            dataset["needs"] = sorted(self.loss.needs if name == "train" else judged_with)

    def check(self, datasets: Mapping[str, Any]) -> None:
        """Refuse sets that share an image, or, of one table that is parted by content, a content."""
        for (one, first), (other, second) in itertools.combinations(datasets.items(), 2):
            options = self.options.datasets[one], self.options.datasets[other]
            wanted = [
                entry.get("part") or name.split("_")[0] for name, entry in zip((one, other), options, strict=True)
            ]
            if wanted[0] == wanted[1]:
                continue  # asked for: to see whether a network can fit what it is given
            shared = {row.image.resolve() for row in first.rows} & {row.image.resolve() for row in second.rows}
            contents = set[str]()
            by = {(entry.get("split") or {}).get("by", "content") for entry in options}
            if first.root == second.root and by == {"content"}:
                contents = {row.content for row in first.rows} & {row.content for row in second.rows}
            if shared or contents:
                raise UsageError(
                    f"datasets.{one} and datasets.{other} share {len(shared)} images and {len(contents)} contents; "
                    "expected none: give them the same split with different parts"
                )

    def batch(self, sample: dict[str, Any]) -> Judged:
        """Bring a sample to the device."""
        return Judged(**{name: value.to(self.accelerator.device, non_blocking=True) for name, value in sample.items()})

    def validate(self, dataset: Any, name: str, iteration: int, pictures: Path) -> OpinionValidation:
        """Score every image of a set as inference would, and compare with the opinions.

        Raises:
            Interrupted: a process was asked to stop.
            QualityPluginError: an image cannot be scored: on every process, with its name.
        """
        network = copy.deepcopy(self.parts.best)
        scorers = {
            setting: entry_of(self.options).scorer(network, dataclasses.replace(self.card(), reference=kind))
            for setting, kind in self.loss.settings
        }
        rows, problems = [], []
        for index in share_of(len(dataset), self.accelerator, self.asked):
            try:
                with seeded(mix(self.options.manual_seed, name, index)):
                    sample = dataset[index]
                rows.append((index, sample["image"], sample["content"], sample["mos"], self._score(scorers, sample)))
            except Exception as error:  # noqa: BLE001  # whatever it is, the other processes must hear of it
                problems.append(f"{dataset.rows[index].image.name}: {type(error).__name__}: {error}")
        end_together(problems, iteration, self.asked)
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
        found = {}
        for setting, scorer in scorers.items():
            guide = sample.get(GUIDES[scorer.card.reference] or "")
            reference = None if guide is None or scorer.needs != "reference" else guide[None].to(device)
            with torch.no_grad():
                found[setting] = float(scorer(**images, reference=reference))
        return found

    def card(self, found: str = "") -> Card:
        """The card of what is trained."""
        entry, options = entry_of(self.options), self.options
        arguments = {name: value for name, value in options.network_g.items() if name != "type"}
        crop_px = int(options.datasets["train"]["crop_px"])
        return dataclasses.replace(
            entry.card,
            reference=dict(self.loss.settings)[""],
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
        lines = [f"no validation gave a {self.best_by}: the last network is taken for the best"]
        if best.is_file():
            self.parts.best.load_state_dict(parts_of.read_network(str(best), key))
            lines = []
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
        return list(tests), [
            *lines,
            f"the scorer: {path}; irq score IMAGE --scorer {self.card().name} --weights {path}",
        ]


def entry_of(options: Options) -> Entry:
    """The catalogue's entry of the network that is trained: the compact one where its sizes are that one's."""
    method = METHODS[options.network_g["type"]]
    with torch.device("meta"):
        sizes = parts_of.build_network(options.network_g).state_dict()
    return CATALOG[name_by_size(sizes) or method]


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
        teacher = weights_of(path.pretrain_teacher)
        initialise_from_teacher(network, parts_of.read_network(teacher, "params_ema"), teacher)
    entries = dict(options.train.opinion_opt or {})
    kind = OPINION_LOSSES[entries.pop("type")]
    if kind.needs_teacher:
        entries["teacher"] = start(options.network_t or {}, path.pretrain_network_t, path.param_key_t, strict=True)
    try:
        return kind(network, **entries)
    except (TypeError, ValueError) as error:
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
