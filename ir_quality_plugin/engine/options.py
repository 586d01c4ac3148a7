"""The option file as types: BasicSR's grammar, every key known, values of the right kind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError, WithJsonSchema

from ..data import yaml12
from ..data.names import FOLDER
from ..errors import UsageError, nearest


def _named(entry: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(entry.get("type", ""), str):
        raise ValueError(f"its type is {entry['type']!r}; expected a name")
    return entry


Typed = Annotated[
    dict[str, Any],
    AfterValidator(_named),
    WithJsonSchema({"type": "object", "properties": {"type": {"type": "string"}}}),
]
"""A mapping with a `type`; its other keys are the parameters of that type, checked against its constructor."""


class Section(BaseModel):
    """A mapping of the option file; a key that it does not have is an error."""

    model_config = ConfigDict(extra="forbid")


class PathOptions(Section):
    """`path`: what to start from."""

    pretrain_network_g: str | None = Field(
        None,
        description="Weights that network_g starts from, in a new run: a file, or of a scorer the name of one with "
        "weights at hand, such as ckdn-s.",
    )
    param_key_g: str | None = Field("params", description="Under which key of that file they lie; null: none.")
    strict_load_g: bool = Field(True, description="Whether every weight must be there, and no other.")
    pretrain_network_d: str | None = Field(None, description="The same of network_d.")
    param_key_d: str | None = Field("params", description="The same of network_d.")
    strict_load_d: bool = Field(True, description="The same of network_d.")
    imagenet: str | None = Field(
        None,
        description="Of a scorer: start from ImageNet ResNet-50; a file in torchvision's layout, or IMAGENET1K_V2.",
    )
    pretrain_teacher: str | None = Field(
        None,
        description="Of a scorer: start from a restoration teacher; the net_g file of a TeacherRestorationNet, or of a "
        "TeacherIQAStudent, whose teacher is taken; or teacheriqa-s by its name.",
    )
    pretrain_network_t: str | None = Field(None, description="Of a scorer: the trained network that teaches it.")
    param_key_t: str | None = Field("params", description="Under which key of that file its weights lie.")
    resume_state: str | None = Field(
        None, description="A state of an earlier run: experiments/NAME/training_states/ITER"
    )
    ignore_resume_networks: Any = Field(None, description="Read by BasicSR's trainer alone.")


class GuardOptions(Section):
    """`train.guard`: watch metrics that are never optimised, and act when the optimised one is gamed."""

    optimised: str = Field(description="The metric of val.metrics that stands for what is optimised.")
    metrics: list[str] = Field(min_length=1, description="Metrics of val.metrics that are watched.")
    action: Literal["warn", "stop", "restore_best"] = Field(
        "warn", description="Say so; stop too; or stop with the networks at which the watched ones were best."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Of the bootstrap intervals that a fall must clear.")


class TrainOptions(Section):
    """`train`: losses, optimisers, schedule, and how the loop computes."""

    optim_g: Typed = Field(description="Optimiser of network_g: a name of torch.optim, and its arguments.")
    optim_d: Typed | None = Field(None, description="Optimiser of network_d.")
    scheduler: Typed = Field(description="The learning rate's: a name of BasicSR's, and its arguments.")
    total_iter: PositiveInt = Field(description="Iterations of the run.")
    warmup_iter: int = Field(-1, description="Iterations in which the learning rate rises from nothing; -1: none.")
    ema_decay: float = Field(0, ge=0, lt=1, description="Of the averaged weights, which are validated; 0: none.")
    pixel_opt: Typed | None = Field(None, description="Loss between restored and clean pixels.")
    perceptual_opt: Typed | None = Field(None, description="Loss that a stock model hands restored and clean image.")
    gan_opt: Typed | None = Field(None, description="Adversarial loss, of GAN models.")
    ldl_opt: Typed | None = Field(None, description="Loss on artefacts that the average lacks, of models that read it.")
    quality_opt: Typed | list[Typed] | None = Field(None, description="Quality terms, of the Quality... models.")
    opinion_opt: Typed | None = Field(None, description="What a ScorerModel is trained with.")
    decay_biases: bool = Field(True, description="Weight decay on biases and normalisation too.")
    net_d_iters: PositiveInt = Field(1, description="The generator is trained in every so-manieth iteration.")
    net_d_init_iters: int = Field(0, ge=0, description="Iterations at first in which the generator is not trained.")

    mixed_precision: Literal["no", "fp16", "bf16"] | None = Field(
        None, description="None: as accelerate is configured or launched, else no."
    )
    accumulate: PositiveInt = Field(1, description="Batches an iteration.")
    clip_grad_norm: float | None = Field(None, gt=0, description="Greatest norm of a step's gradient.")
    channels_last: bool = Field(False, description="Compute with channels last in memory: faster on many GPUs.")
    compile: bool = Field(False, description="Compile network_g by torch.compile.")
    nonfinite_limit: PositiveInt = Field(10, description="Steps in a row with NaN or Inf after which the run stops.")
    guard: GuardOptions | None = Field(None, description="Watches metrics that are never optimised: train.guard below.")


class ValOptions(Section):
    """`val`: when and by which metrics."""

    val_freq: PositiveInt | None = Field(None, description="Iterations between validations; null: the last one alone.")
    save_img: bool = Field(False, description="Write the restored images to experiments/NAME/visualization.")
    suffix: str | None = Field(None, description="Read by BasicSR's tester alone.")
    pbar: bool = Field(True, description="A progress bar, of BasicSR's trainer.")
    metrics: dict[str, Typed] | None = Field(None, description="By a name of yours: val.metrics below.")
    best_by: str | None = Field(
        None, description="The metric of the first validation set by which net_g_best is kept; of a ScorerModel srcc."
    )


class LoggerOptions(Section):
    """`logger`: what is written how often."""

    print_freq: PositiveInt = Field(100, description="Iterations between two lines of the log.")
    save_checkpoint_freq: PositiveInt = Field(5000, description="Iterations between two states, and networks, on disk.")
    use_tb_logger: bool = Field(False, description="Write tb_logger/NAME for TensorBoard.")
    wandb: Any = Field(None, description="Read by BasicSR's trainer alone.")
    keep_states: PositiveInt = Field(3, description="The last so many resumable states are kept.")


SECOND = "The same, in the second round."


class SynthesisOptions(Section):
    """What Real-ESRGAN's files say at their top: how inputs are synthesised from clean images."""

    gt_size: PositiveInt | None = Field(None, description="Side of the clean crops in pixels.")
    queue_size: PositiveInt | None = Field(None, description="Samples that wait to be mixed into batches.")
    high_order_degradation: bool | None = Field(None, description="Whether inputs are made here, and not read.")
    l1_gt_usm: bool | None = Field(None, description="The pixel loss takes the sharpened clean image.")
    percep_gt_usm: bool | None = Field(None, description="The perceptual loss takes the sharpened clean image.")
    gan_gt_usm: bool | None = Field(None, description="The discriminator sees the sharpened clean image.")
    resize_prob: list[float] | None = Field(None, description="Odds of enlarging, reducing and neither, at first.")
    resize_range: list[float] | None = Field(None, description="Least and greatest factor of that.")
    gaussian_noise_prob: float | None = Field(None, description="Odds of Gaussian noise; else it is Poisson's.")
    noise_range: list[float] | None = Field(None, description="Least and greatest Gaussian noise, in 1/255.")
    poisson_scale_range: list[float] | None = Field(None, description="Least and greatest strength of Poisson noise.")
    gray_noise_prob: float | None = Field(None, description="Odds that noise is the same in all colours.")
    jpeg_range: list[float] | None = Field(None, description="Least and greatest quality of JPEG.")
    second_blur_prob: float | None = Field(None, description="Odds of a blur in the second round.")
    resize_prob2: list[float] | None = Field(None, description=SECOND)
    resize_range2: list[float] | None = Field(None, description=SECOND)
    gaussian_noise_prob2: float | None = Field(None, description=SECOND)
    noise_range2: list[float] | None = Field(None, description=SECOND)
    poisson_scale_range2: list[float] | None = Field(None, description=SECOND)
    gray_noise_prob2: float | None = Field(None, description=SECOND)
    jpeg_range2: list[float] | None = Field(None, description=SECOND)


class Options(SynthesisOptions):
    """An option file: of a restoration model, for BasicSR's trainer and for ours alike, or of a scorer, for ours."""

    name: str = Field(min_length=1, pattern=FOLDER, description="Of the run, and of its folder below experiments.")
    model_type: str = Field(description="What trains: model_type below.")
    scale: PositiveInt = Field(1, description="By which network_g enlarges its input.")
    num_gpu: int | Literal["auto"] = Field("auto", description="Read by BasicSR's trainer alone.")
    manual_seed: int = Field(0, description="Of all that is drawn: weights, order, crops, parts of a set.")
    datasets: dict[Annotated[str, Field(pattern=FOLDER)], Typed] = Field(
        description="train, val, test: datasets below."
    )
    network_g: Typed = Field(description="The network that is trained: Networks below.")
    network_d: Typed | None = Field(None, description="The discriminator, of GAN models.")
    network_t: Typed | None = Field(None, description="Of a scorer: the network that teaches it.")
    path: PathOptions = Field(PathOptions(), description="What to start from.")
    train: TrainOptions = Field(description="Losses, optimisers, schedule, and how the loop computes.")
    val: ValOptions | None = Field(None, description="When and by which metrics to validate; null: never.")
    logger: LoggerOptions = Field(LoggerOptions(), description="What is written how often.")
    dist_params: Any = Field(None, description="Read by BasicSR's trainer alone.")
    find_unused_parameters: bool = Field(False, description="Of several processes: not every weight gets a gradient.")


def read_options(path: str | Path, overrides: list[str] | None = None) -> Options:
    """Read an option file and check every key that stands in a place of its own.

    The keys inside of networks, datasets, losses and metrics are checked where their types are known.

    Args:
        path: of the file.
        overrides: `train.optim_g.lr=1e-4`, applied in order; a value is read as YAML.

    Raises:
        UsageError: the file cannot be read, or a key or value is wrong: with its place and the nearest known key.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"-opt {path}: cannot be read ({reason}); expected an option file") from error
    content = yaml12.parse(text, str(path))
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds a {type(content).__name__}; expected a mapping: name, datasets, train, ...")
    for override in overrides or []:
        apply(content, override)
    return check(content, str(path))


def apply(content: dict[str, Any], override: str) -> None:
    """Set one value, `a.b.c=value`, in place; entries of lists are named by number.

    Raises:
        UsageError: no `=`, or the place lies inside of something that is no mapping or list.
    """
    place, equals, value = override.partition("=")
    if not equals or not place:
        raise UsageError(f"--set {override}: expected a.b.c=value, such as train.optim_g.lr=1e-4")
    *parents, last = place.split(".")
    here: Any = content
    for key in parents:
        inner = _entry(here, key, override)
        if inner is None:
            here[key] = inner = {}
        here = inner
    _entry(here, last, override)
    here[int(last) if isinstance(here, list) else last] = yaml12.parse(value, f"--set {override}")


def _entry(here: Any, key: str, override: str) -> Any:
    if isinstance(here, dict):
        return here.get(key)
    if isinstance(here, list) and key.isdigit() and int(key) < len(here):
        return here[int(key)]
    kind = f"a list of {len(here)}" if isinstance(here, list) else f"a {type(here).__name__}"
    raise UsageError(f"--set {override}: {key!r} lies inside of {kind}; expected a mapping on the way")


def check(content: dict[str, Any], where: str) -> Options:
    """Check parsed options.

    Raises:
        UsageError: the first few that are wrong, each with its place, what was given and what was expected.
    """
    try:
        return Options.model_validate(content)
    except ValidationError as error:
        lines = [_explain(entry) for entry in error.errors()[:5]]
        raise UsageError(f"{where}: " + "; ".join(lines)) from error


def _explain(entry: Any) -> str:
    place = ".".join(map(str, entry["loc"]))
    if entry["type"] == "extra_forbidden":
        *parents, key = entry["loc"]
        return f"{'.'.join(map(str, parents)) or 'the file'} has no key {key!r}; {nearest(str(key), _keys(parents))}"
    if entry["type"] == "missing":
        return f"{place} is missing; expected it: the files of recipes/basicsr show all keys"
    return f"{place}={entry['input']!r}: {entry['msg'][0].lower()}{entry['msg'][1:]}"


def _keys(parents: list[Any]) -> list[str]:
    section: Any = Options
    for key in parents:
        annotation = section.model_fields[key].annotation
        choices = [annotation, *getattr(annotation, "__args__", ())]
        section = next(kind for kind in choices if isinstance(kind, type) and issubclass(kind, Section))
    return list(section.model_fields)
