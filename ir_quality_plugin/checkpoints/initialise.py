"""Start a network from ImageNet ResNet-50 weights, or from a restoration teacher, by an explicit call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ..errors import CheckpointError, UsageError
from ..models import CKDN, CVRKD, RestorationTeacher, TeacherIQAStudent
from ..nn.resnet import RESNET50_DEPTHS
from .read import read_weights
from .remap import raise_unless_complete

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

TRUNK = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")

# For each network: which parts of torchvision's ResNet-50 go where.
PLACES: dict[type[nn.Module], dict[str, tuple[str, ...]]] = {
    RestorationTeacher: {part: (f"encoder.{part}",) for part in TRUNK},
    TeacherIQAStudent: {part: (f"teacher.encoder.{part}",) for part in TRUNK},
    CVRKD: {part: (f"backbone.{part}",) for part in TRUNK},
    CKDN: {
        "conv1": ("quality_encoder.conv", "degradation_encoder.conv"),
        "layer1": ("quality_encoder.stage", "degradation_encoder.stage"),
        "layer2": ("predictor.stage", "preference_predictor.stage"),
    },
}


def initialise_from_imagenet(network: nn.Module, weights: WeightsEnum | str | Path) -> nn.Module:
    """Copy ImageNet ResNet-50 weights into the parts of a network that have them in the paper, in place.

    Args:
        network: one of our networks at its published widths.
        weights: a member of torchvision's `ResNet50_Weights` (torchvision's own loader downloads and checks it), or a
            local file in torchvision's layout (`conv1`, `bn1`, `layer1` to `layer4`; a `fc` is ignored).

    Returns:
        The network.

    Raises:
        UsageError: the network is none of ours.
        CheckpointError: the file is unreadable, incomplete, or of other widths than the network.

    Source: all three releases start from ImageNet ResNet-50; deviations: none.
    """
    places = _places_in(network)
    placed = _place(_checked(_trunk(weights)), places)
    return _filled(network, placed, places, "the ImageNet weights do")


def initialise_from_teacher(network: nn.Module, teacher: Mapping[str, Tensor], origin: str) -> nn.Module:
    """Copy a restoration teacher into the parts of a network that have the shape of its own, in place.

    TeacherIQA's student takes all of it; CVRKD its encoder, as the backbone; CKDN the encoder's first layers.

    Args:
        network: one of our networks, of the teacher's widths.
        teacher: state dict of a `RestorationTeacher`, or of a `TeacherIQAStudent`, whose teacher is taken.
        origin: of the state dict, for messages.

    Returns:
        The network.

    Raises:
        UsageError: the network is none of ours, or is itself a teacher.
        CheckpointError: the teacher is incomplete, or of other widths than the network.

    Source: TeacherIQA's student holds its teacher; deviation: for CVRKD and CKDN, whose papers start from ImageNet.
    """
    places = _places_in(network)
    teacher = _below("teacher.", teacher) or teacher
    if isinstance(network, RestorationTeacher):
        raise UsageError(f"{origin}: a teacher is not started from a teacher; load it with load_state_dict")
    if isinstance(network, TeacherIQAStudent):
        placed = {f"teacher.{name}": tensor for name, tensor in teacher.items()}
        return _filled(network, placed, {"teacher": ("teacher",)}, f"{origin} does")
    return _filled(network, _place(_below("encoder.", teacher), places), places, f"{origin} does")


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of one part, by their names within it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _places_in(network: nn.Module) -> dict[str, tuple[str, ...]]:
    places = next((table for kind, table in PLACES.items() if isinstance(network, kind)), None)
    if places is None:
        known = ", ".join(kind.__name__ for kind in PLACES)
        raise UsageError(f"cannot initialise a {type(network).__name__} from other weights; expected one of {known}")
    return places


def _filled(
    network: nn.Module, placed: Mapping[str, Tensor], places: Mapping[str, tuple[str, ...]], whose: str
) -> nn.Module:
    own = network.state_dict()
    targets = tuple(f"{target}." for group in places.values() for target in group)
    expected = {name: tensor for name, tensor in own.items() if name.startswith(targets)}
    raise_unless_complete(placed, expected, [], f"{whose} not fit this {type(network).__name__}")
    network.load_state_dict({**own, **placed})
    return network


def _trunk(weights: WeightsEnum | str | Path) -> Mapping[str, Tensor]:
    if isinstance(weights, (str, Path)):
        return read_weights(weights).tensors
    loader: Any = getattr(weights, "get_state_dict", None)
    if loader is None or type(weights).__name__ != "ResNet50_Weights":
        raise UsageError(f"weights={weights!r}; expected torchvision's ResNet50_Weights or the path of a local file")
    try:
        return loader(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"torchvision could not fetch {weights} ({error}); download the file by hand and pass its path"
        ) from error


def _checked(trunk: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    blocks = Counter(part for name in trunk for part, _, rest in [name.partition(".")] if rest.endswith("conv3.weight"))
    found = tuple(blocks[layer] for layer in ("layer1", "layer2", "layer3", "layer4"))
    if any(count > depth for count, depth in zip(found, RESNET50_DEPTHS, strict=True)):
        raise CheckpointError(
            f"the file has {found} bottlenecks in its four stages; expected ResNet-50's {RESNET50_DEPTHS}"
        )
    strange = [name for name in trunk if name.partition(".")[0] not in (*TRUNK, "fc")]
    if strange:
        raise CheckpointError(f"the file holds {strange[0]}, which is no part of ResNet-50 in torchvision's layout")
    return trunk


def _place(trunk: Mapping[str, Tensor], places: Mapping[str, tuple[str, ...]]) -> dict[str, Tensor]:
    placed = {}
    for name, tensor in trunk.items():
        part, _, rest = name.partition(".")
        for target in places.get(part, ()):
            placed[f"{target}.{rest}"] = tensor
    return placed
