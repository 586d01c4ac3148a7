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
        None, description="Weights to start from: a file, or of a scorer the name of one with weights at hand: ckdn-s."
    )
    param_key_g: str | None = "params"
    strict_load_g: bool = True
    pretrain_network_d: str | None = None
    param_key_d: str | None = "params"
    strict_load_d: bool = True
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
    param_key_t: str | None = "params"
    resume_state: str | None = Field(
        None, description="A state of an earlier run: experiments/NAME/training_states/ITER"
    )
    ignore_resume_networks: Any = Field(None, description="Read by BasicSR's trainer alone.")


class GuardOptions(Section):
    """`train.guard`: watch metrics that are never optimised, and act when the optimised one is gamed."""

    optimised: str = Field(description="The metric of val.metrics that stands for what is optimised.")
    metrics: list[str] = Field(min_length=1, description="Metrics of val.metrics that are watched.")
    action: Literal["warn", "stop", "restore_best"] = "warn"
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Of the bootstrap intervals that a fall must clear.")


class TrainOptions(Section):
    """`train`: losses, optimisers, schedule, and how the loop computes."""

    optim_g: Typed
    optim_d: Typed | None = None
    scheduler: Typed
    total_iter: PositiveInt
    warmup_iter: int = -1
    ema_decay: float = Field(0, ge=0, lt=1)
    pixel_opt: Typed | None = None
    perceptual_opt: Typed | None = None
    gan_opt: Typed | None = None
    ldl_opt: Typed | None = None
    quality_opt: Typed | list[Typed] | None = None
    opinion_opt: Typed | None = Field(None, description="What a ScorerModel is trained with.")
    decay_biases: bool = Field(True, description="Weight decay on biases and normalisation too.")
    net_d_iters: PositiveInt = 1
    net_d_init_iters: int = Field(0, ge=0)

    mixed_precision: Literal["no", "fp16", "bf16"] | None = Field(
        None, description="None: as accelerate is configured or launched, else no."
    )
    accumulate: PositiveInt = Field(1, description="Batches an iteration.")
    clip_grad_norm: float | None = Field(None, gt=0)
    channels_last: bool = False
    compile: bool = False
    nonfinite_limit: PositiveInt = Field(10, description="Steps in a row with NaN or Inf after which the run stops.")
    guard: GuardOptions | None = None


class ValOptions(Section):
    """`val`: when and by which metrics."""

    val_freq: PositiveInt | None = None
    save_img: bool = False
    suffix: str | None = Field(None, description="Read by BasicSR's tester alone.")
    pbar: bool = True
    metrics: dict[str, Typed] | None = None
    best_by: str | None = Field(
        None, description="The metric of the first validation set by which net_g_best is kept; of a ScorerModel srcc."
    )


class LoggerOptions(Section):
    """`logger`: what is written how often."""

    print_freq: PositiveInt = 100
    save_checkpoint_freq: PositiveInt = 5000
    use_tb_logger: bool = False
    wandb: Any = Field(None, description="Read by BasicSR's trainer alone.")
    keep_states: PositiveInt = Field(3, description="The last so many resumable states are kept.")


class SynthesisOptions(Section):
    """What Real-ESRGAN's files say at their top: how inputs are synthesised from clean images."""

    gt_size: PositiveInt | None = None
    queue_size: PositiveInt | None = None
    high_order_degradation: bool | None = None
    l1_gt_usm: bool | None = None
    percep_gt_usm: bool | None = None
    gan_gt_usm: bool | None = None
    resize_prob: list[float] | None = None
    resize_range: list[float] | None = None
    gaussian_noise_prob: float | None = None
    noise_range: list[float] | None = None
    poisson_scale_range: list[float] | None = None
    gray_noise_prob: float | None = None
    jpeg_range: list[float] | None = None
    second_blur_prob: float | None = None
    resize_prob2: list[float] | None = None
    resize_range2: list[float] | None = None
    gaussian_noise_prob2: float | None = None
    noise_range2: list[float] | None = None
    poisson_scale_range2: list[float] | None = None
    gray_noise_prob2: float | None = None
    jpeg_range2: list[float] | None = None


class Options(SynthesisOptions):
    """An option file: of a restoration model, for BasicSR's trainer and for ours alike, or of a scorer, for ours."""

    name: str = Field(min_length=1, pattern=FOLDER)
    model_type: str
    scale: PositiveInt = 1
    num_gpu: int | Literal["auto"] = Field("auto", description="Read by BasicSR's trainer alone.")
    manual_seed: int = 0
    datasets: dict[Annotated[str, Field(pattern=FOLDER)], Typed]
    network_g: Typed
    network_d: Typed | None = None
    network_t: Typed | None = Field(None, description="Of a scorer: the network that teaches it.")
    path: PathOptions = PathOptions()
    train: TrainOptions
    val: ValOptions | None = None
    logger: LoggerOptions = LoggerOptions()
    dist_params: Any = Field(None, description="Read by BasicSR's trainer alone.")
    find_unused_parameters: bool = False


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
