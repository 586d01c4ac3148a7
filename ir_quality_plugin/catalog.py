"""The explicit table of scorers, and the one line that loads one."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .checkpoints.read import WeightsFile, read_card, read_weights
from .checkpoints.remap import from_release, raise_unless_complete, recognise
from .errors import CheckpointError, MissingWeightsError, UsageError, nearest
from .models import CKDN, CVRKD, TeacherIQAStudent
from .models.card import Card, Protocol
from .scorers import CKDNScorer, CVRKDScorer, Scorer, TeacherIQAScorer

SHIPPED = Path(__file__).parent / "weights"
RANDOM_SEED = 0


@dataclass(frozen=True)
class Entry:
    """A scorer of the catalogue: the network's class, the scorer's, its card, and what the release says of its file.

    Attributes:
        network: class of the network; `card.network` holds the arguments that differ from its defaults.
        scorer: class of the scorer.
        card: of the scorer without weights.
        release: entries of the card that hold for the authors' released file; empty where there is no release.
    """

    network: Callable[..., nn.Module]
    scorer: Callable[..., Scorer]
    card: Card
    release: dict[str, Any]


_TEACHER_IQA = Entry(
    TeacherIQAStudent,
    TeacherIQAScorer,
    Card(
        name="teacheriqa",
        method="teacheriqa",
        reference="none",
        score_range=(0.0, 100.0),
        bounded=False,
        patch_px=224,
        patches=25,
        normalisation="imagenet",
        protocol="grid",
        released_protocol="mean over 25 random crops of 224 px (here from a fixed seed), no resize",
        source="Chen et al., Teacher-Guided Learning for Blind Image Quality Assessment, ACCV 2022",
    ),
    {
        "normalisation": "none",
        "protocol": "released",
        "origin": "the authors' koniq_teacher_iqa.pkl, trained on KonIQ-10k",
        "licence": "none stated by the authors",
    },
)
_CKDN = Entry(
    CKDN,
    CKDNScorer,
    Card(
        name="ckdn",
        method="ckdn",
        reference="degraded",
        score_range=(0.0, 1.0),
        bounded=True,
        patch_px=288,
        patches=None,
        normalisation="imagenet",
        protocol="whole",
        released_protocol="shorter side to 329 px (restored bicubic, degraded nearest), central 288 px",
        source="Zheng et al., Learning Conditional Knowledge Distillation for Degraded-Reference IQA, ICCV 2021",
    ),
    {
        "protocol": "released",
        "origin": "the authors' CKDN_model_best-38b27dc6.pth, trained on PIPAL",
        "licence": "MIT",
    },
)
_CVRKD = Entry(
    CVRKD,
    CVRKDScorer,
    Card(
        name="cvrkd",
        method="cvrkd",
        reference="any-clean",
        score_range=(1.0, 5.0),
        bounded=False,
        patch_px=224,
        patches=10,
        normalisation="imagenet",
        protocol="grid",
        released_protocol="ten random crops of 224 px of each image (here from a fixed seed), no resize",
        source="Yin et al., Content-Variant Reference Image Quality Assessment via Knowledge Distillation, AAAI 2022",
    ),
    {
        "protocol": "released",
        "origin": "the authors' FR_teacher_cross_dataset.pth or NAR_student_cross_dataset.pth, trained on KADID-10k",
        "licence": "MIT",
    },
)


def _compact(entry: Entry, patches: int | None, patch_px: int, network: dict[str, Any]) -> Entry:
    named = dataclasses.replace(entry.card, name=f"{entry.card.name}-s", score_range=(0.0, 1.0))
    card = dataclasses.replace(named, patches=patches, patch_px=patch_px, network=network)
    return dataclasses.replace(entry, card=card, release={})


_COMPACT_TRUNK = {"stem_width": 32, "planes": (16, 32, 48, 64), "depths": (2, 2, 2, 2)}
_COMPACT_MIXERS = {"local_width": 16, "grid": 6, "width": 64, "quality_depth": 4, "difference_depth": 8}

_ENTRIES = (
    _TEACHER_IQA,
    _CKDN,
    _CVRKD,
    _compact(_TEACHER_IQA, 9, 96, {**_COMPACT_TRUNK, "width": 32, "patch_px": 96}),
    _compact(_CKDN, None, 128, {"stem_width": 32, "planes": (16, 32), "depths": (2, 2), "hidden": 256, "dropout": 0.2}),
    _compact(_CVRKD, 4, 96, {**_COMPACT_TRUNK, **_COMPACT_MIXERS, "patches": 4}),
)
CATALOG = {entry.card.name: entry for entry in _ENTRIES}


def list_scorers() -> list[Card]:
    """Give the card of every scorer: what it needs, its range, direction, protocol, licence and origin.

    A scorer whose weights are at hand (shipped, or converted into `weights_folder()`) is listed with their card, every
    other with the card of random weights.
    """
    return [look_up(name)[0] for name in CATALOG]


def look_up(name: str) -> tuple[Card, Path | None, str | None]:
    """Give a scorer's card, where its weights are, and what is wrong with them; a damaged file hides no other."""
    path = find_weights(name)
    try:
        card = find_entry(name).card if path is None else read_card(path)
        if card.name != name:
            raise CheckpointError(f"{path} holds weights of {card.name}; expected those of {name}")
    except CheckpointError as error:
        return find_entry(name).card, path, str(error)
    return card, path, None


def weights_folder() -> Path:
    """Where converted weights are looked for by name: `$IRQ_WEIGHTS`, else `~/.cache/ir_quality_plugin`."""
    return Path(os.environ.get("IRQ_WEIGHTS") or Path.home() / ".cache" / "ir_quality_plugin")


def find_weights(name: str) -> Path | None:
    """Find a scorer's default weights: shipped in the package, else in `weights_folder()`; None if neither."""
    candidates = (folder / f"{name}.safetensors" for folder in (SHIPPED, weights_folder()))
    return next((path for path in candidates if path.is_file()), None)


def load_scorer(
    name: str,
    weights: str | Path = "default",
    *,
    protocol: Protocol | None = None,
    patches: int | None = None,
    full_reference: bool = False,
    device: torch.device | str | None = None,
) -> Scorer:
    """Load a frozen scorer; nothing is downloaded.

    Args:
        name: in the catalogue: "teacheriqa", "ckdn", "cvrkd", or a compact one: "teacheriqa-s", "ckdn-s", "cvrkd-s".
        weights: "default" (shipped, or converted into `weights_folder()`), "random" (the same at every call), or the
            path of a file: the authors' released checkpoint, one that `irq weights convert` wrote, or a state dict of
            our network. A bare state dict has no card and is taken to have been trained as the catalogue's card says,
            with ImageNet's normalisation; the released TeacherIQA was not: keep its file, or convert it.
        protocol: how an image becomes the network's input: "whole" (CKDN) or "grid" (TeacherIQA, CVRKD) see every
            pixel, "released" does what the authors' inference does; None for what the weights' card says: "released"
            for released files, else every pixel.
        patches: number of patches an image for TeacherIQA and CVRKD; None for the native number, or as many as cover
            the image.
        full_reference: judge against the aligned clean image: CKDN's full-reference setting, CVRKD's teacher.
        device: where the scorer goes; None for the CPU.

    Returns:
        A `Scorer`: `scorer(restored, degraded=None, reference=None)` gives (B,), higher is better.

    Raises:
        UsageError: an unknown name or an option that does not fit the scorer.
        CheckpointError: no such weights, or a file that is damaged or belongs to another network.
    """
    entry = find_entry(name)
    if not isinstance(weights, (str, Path)):
        raise UsageError(
            f"weights is a {type(weights).__name__}; expected 'default', 'random' or a path; a state dict: save it "
            "with torch.save, and pass the file"
        )
    if weights == "random":
        card, network = entry.card, random_network(entry)
    else:
        card, network = load_network(name, _default_path(name) if weights == "default" else weights)
    if full_reference:
        if card.reference == "none":
            raise UsageError(f"{name} takes no reference; full_reference=True is for ckdn and cvrkd")
        card = dataclasses.replace(card, reference="aligned")
    if patches is not None and card.patches is None:
        raise UsageError(f"{name} sees the whole image; patches={patches} is for teacheriqa and cvrkd")
    scorer = entry.scorer(network, card, protocol, **({} if patches is None else {"patches": patches}))
    if device is None:
        return scorer
    try:
        return scorer.to(device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device={device!r}: {str(error).splitlines()[0]}; expected one that is here") from error


def load_network(name: str, weights: str | Path) -> tuple[Card, nn.Module]:
    """Read a file of weights into a network of the scorer `name`.

    Args:
        name: in the catalogue.
        weights: path of a released checkpoint, of a converted file, or of a state dict of our network.

    Returns:
        The card of these weights and the network.

    Raises:
        CheckpointError: damaged, incomplete, or of another network.
    """
    entry = find_entry(name)
    file = read_weights(weights)
    card, released = _card_of(entry, file), file.card is None and recognise(file.tensors) is not None
    named = None if released else name_by_size(file.tensors)
    if named is not None and card.method == CATALOG[named].card.method:
        if named != name:
            raise CheckpointError(f"{file.path} holds a network of the sizes of {named}; load it as {named!r}")
        card = dataclasses.replace(card, name=named)
    with torch.device("meta"):  # shapes alone: a card may claim a network of any size
        expected = build_network(entry, card).state_dict()
    if released:
        tensors = from_release(card.method, file.tensors, expected)
    else:
        tensors = file.tensors
        raise_unless_complete(tensors, expected, [], f"{file.path} does not hold the weights of {name}")
    network = build_network(entry, card)
    network.load_state_dict(tensors)
    if card.name != name:
        raise CheckpointError(f"{file.path} holds weights of {card.name}, not of {name}; load it as {card.name!r}")
    return card, network


def name_by_size(weights: Mapping[str, Tensor]) -> str | None:
    """The compact scorer whose network has exactly these names and shapes; None where it is none of them."""
    shapes = {name: tensor.shape for name, tensor in weights.items()}
    return next((name for name, entry in CATALOG.items() if name.endswith("-s") and shapes == _shapes(name)), None)


@cache
def _shapes(name: str) -> dict[str, torch.Size]:
    entry = CATALOG[name]
    with torch.device("meta"):
        return {parameter: tensor.shape for parameter, tensor in build_network(entry, entry.card).state_dict().items()}


def _card_of(entry: Entry, file: WeightsFile) -> Card:
    name, method = entry.card.name, entry.card.method
    found = file.card.method if file.card else recognise(file.tensors)
    if found not in (None, method):
        raise CheckpointError(f"{file.path} holds weights of {found}, not of {name}; load it as {found!r}")
    if file.card:
        return file.card
    if found is None:
        return dataclasses.replace(entry.card, sha256=file.sha256, origin=str(file.path.name), licence="unknown")
    if not entry.release:
        raise CheckpointError(f"{file.path} is the released {method} at its published size; load it as {method!r}")
    return dataclasses.replace(entry.card, sha256=file.sha256, **entry.release)


def build_network(entry: Entry, card: Card) -> nn.Module:
    """Build the network that a card describes, with reproducible random weights.

    Raises:
        CheckpointError: where the card's arguments are not the network's.
    """
    with seeded_weights():
        try:
            return entry.network(**card.network)
        except (TypeError, ValueError, RuntimeError, LookupError, ArithmeticError) as error:
            raise CheckpointError(f"the card of {card.name} describes no {card.method} network ({error})") from error


def random_network(entry: Entry) -> nn.Module:
    """Build a network of reproducible random weights whose score depends on the image.

    torch's own initialisation fades along a deep network without trained statistics until every image scores alike.
    """
    network = build_network(entry, entry.card)
    with seeded_weights():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


@contextmanager
def seeded_weights() -> Iterator[None]:
    """Draw from a fixed seed inside of the block; no generator of the user's, on whatever device, is touched."""
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(RANDOM_SEED)
    try:
        yield
    finally:
        torch.set_rng_state(state)


def find_entry(name: str) -> Entry:
    """Look a scorer up in the catalogue.

    Raises:
        UsageError: names the nearest known ones.
    """
    if not isinstance(name, str) or name not in CATALOG:
        raise UsageError(f"no scorer is named {name!r}; {nearest(str(name), CATALOG)}")
    return CATALOG[name]


def _default_path(name: str) -> Path:
    path = find_weights(name)
    if path is not None:
        return path
    release = CATALOG[name].release
    hint = (
        f"The released ones are {release['origin']}: download the file and pass its path as the weights, or convert it "
        f"once with: irq weights convert FILE --scorer {name}"
        if release
        else "Pass the path of your own as the weights"
    )
    raise MissingWeightsError(
        f"no weights of {name} are at hand: none ship in the package, and {weights_folder() / name}.safetensors is not "
        f"there. {hint}; random ones (weights random) are for trying things out"
    )
