"""What the option file of a scorer must say, beyond its grammar."""

from __future__ import annotations

from typing import Any

from ..errors import UsageError, nearest
from ..integrations import basicsr_parts as parts_of
from ..integrations.dataset_options import check_dataset_values
from ..integrations.options import check_keys
from ..losses.opinion import OPINION_LOSSES
from ..metrics.correlation import Agreement
from .checks import check_sets
from .options import Options

MODEL = "ScorerModel"
METHODS = {"TeacherIQAStudent": "teacheriqa", "CKDN": "ckdn", "CVRKD": "cvrkd"}
# What agreement is reported by; numbers of images and contents are no measures of it.
MEASURES = tuple(name for name in Agreement._fields if name not in ("images", "contents"))


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
    measures = [setting + name for setting, _ in kind.settings for name in MEASURES]
    if best_by is not None and best_by not in measures:
        raise UsageError(f"val.best_by={best_by!r}; {nearest(best_by, measures)}")
    preference_iter = opinion.get("preference_iter", 0)
    if not isinstance(preference_iter, int) or preference_iter >= train.total_iter:
        raise UsageError(
            f"train.opinion_opt.preference_iter={preference_iter!r}; expected a whole number below "
            f"train.total_iter={train.total_iter}, or nothing is left for quality"
        )
    for name, dataset in options.datasets.items():
        check_dataset_values(dataset, f"datasets.{name}")
    check_sets(options, looked_at_once="test")
    check_patches(options)
    for name, dataset in mapping["datasets"].items():
        if dataset.get("type") != "QualityDataset":
            raise UsageError(f"datasets.{name}.type={dataset.get('type')!r}; expected QualityDataset for a {MODEL}")
        dataset["score_range"] = opinion.get("score_range", [0.0, 1.0])
        if dataset.get("split") is not None:
            if not isinstance(dataset["split"], dict):
                raise UsageError(f"datasets.{name}.split={dataset['split']!r}; expected {{shares: [0.8, 0.1, 0.1]}}")
            dataset["split"] = {"seed": options.manual_seed, **dataset["split"]}
    return []


def check_patches(options: Options) -> None:
    """Refuse patches that the network does not take.

    Raises:
        UsageError: names both options.
    """
    network, train = options.network_g, options.datasets["train"]
    pairs = [("TeacherIQAStudent", "crop_px", "patch_px", 224), ("CVRKD", "patches", "patches", 10)]
    for kind, given, taken, default in pairs:
        expected = network.get(taken, default)
        if network["type"] == kind and (train.get(given) or 1) != expected:
            raise UsageError(
                f"datasets.train.{given}={train.get(given)}, but network_g.{taken}={expected}; expected one number"
            )
    if not isinstance(train.get("crop_px"), int):
        raise UsageError(f"datasets.train.crop_px={train.get('crop_px')!r}; expected the side of a patch in pixels")
