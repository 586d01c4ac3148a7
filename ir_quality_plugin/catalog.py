"""What is known of each scorer by its name, and the one line that loads one."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from .checkpoints.read import WeightsFile, read_card, read_weights
from .checkpoints.remap import from_release, raise_unless_complete, recognise
from .entries import CATALOG, NAMED, TEACHER, Entry, Restorer
from .errors import CheckpointError, MissingWeightsError, UsageError, nearest
from .models.card import Card, Protocol
from .models.teacher_iqa import RestorationTeacher
from .nn.seeded import seeded_weights
from .scorers import Scorer

SHIPPED = Path(__file__).parent / "weights"


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
        card = NAMED[name].card if path is None else read_card(path)
        if card.name != name:
            raise CheckpointError(f"{path} holds weights of {card.name}; expected those of {name}")
    except CheckpointError as error:
        return NAMED[name].card, path, str(error)
    return card, path, None


def weights_folder() -> Path:
    """Where converted weights are looked for by name: `$IRQ_WEIGHTS`, else `~/.cache/ir_quality_plugin`."""
    return Path(os.environ.get("IRQ_WEIGHTS") or Path.home() / ".cache" / "ir_quality_plugin")


def find_weights(name: str) -> Path | None:
    """Find a network's default weights: shipped in the package, else in `weights_folder()`; None if neither."""
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


def load_teacher(name: str = "teacheriqa-s", weights: str | Path = "default") -> RestorationTeacher:
    """Load the restoration network that a blind scorer started from; nothing is downloaded.

    Args:
        name: of the scorer: "teacheriqa-s", whose teacher ships; or "teacheriqa", whose teacher, as its scorer's
            training left it, is taken from its weights.
        weights: "default", "random", or the path of the scorer's weights, or of a compact `TeacherRestorationNet`'s.

    Returns:
        A frozen `RestorationTeacher` in eval mode: `teacher(degraded)` gives `restored` (B,3,H,W) in [0,1] and its
        `knowledge`, for `degraded` (B,3,H,W) in [0,1] of any size.

    Raises:
        UsageError: a scorer without such a teacher.
        CheckpointError: no such weights, or a file that is damaged or belongs to another network.
    """
    return read_teacher(name, weights)[1]


def read_teacher(name: str, weights: str | Path) -> tuple[Card, RestorationTeacher]:
    """Load what `load_teacher` does, with its card: what its pixels are normalised with."""
    if find_entry(name).card.method != "teacheriqa":
        raise UsageError(f"teacher={name!r} has no restoration teacher; expected teacheriqa or teacheriqa-s")
    path = find_weights(TEACHER) if weights == "default" else Path(weights)
    compact = path is not None and name == "teacheriqa-s" and path.is_file()
    if path is not None and compact and name_by_size(read_weights(path).tensors) == TEACHER:
        card, network = load_network(TEACHER, path)
        return card, cast(RestorationTeacher, network.eval().requires_grad_(False))
    scorer = load_scorer(name, weights)
    return scorer.card, scorer.network.teacher


def load_network(name: str, weights: str | Path) -> tuple[Card, nn.Module]:
    """Read a file of weights into the network that is known as `name`.

    Args:
        name: in the catalogue.
        weights: path of a released checkpoint, of a converted file, or of a state dict of our network.

    Returns:
        The card of these weights and the network.

    Raises:
        CheckpointError: damaged, incomplete, or of another network.
    """
    entry = NAMED[TEACHER] if name == TEACHER else find_entry(name)
    file = read_weights(weights)
    card, released = _card_of(entry, file), file.card is None and recognise(file.tensors) is not None
    named = None if released else name_by_size(file.tensors)
    if named is not None and card.method == NAMED[named].card.method:
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
    """The compact network that has exactly these names and shapes; None where it is none of them."""
    shapes = {name: tensor.shape for name, tensor in weights.items()}
    return next((name for name in NAMED if "-s" in name and shapes == _shapes(name)), None)


@cache
def _shapes(name: str) -> dict[str, torch.Size]:
    entry = NAMED[name]
    with torch.device("meta"):
        return {parameter: tensor.shape for parameter, tensor in build_network(entry, entry.card).state_dict().items()}


def _card_of(entry: Entry | Restorer, file: WeightsFile) -> Card:
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


def build_network(entry: Entry | Restorer, card: Card) -> nn.Module:
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


def find_entry(name: str) -> Entry:
    """Look a scorer up in the catalogue.

    Raises:
        UsageError: names the nearest known ones.
    """
    if name == TEACHER:
        raise UsageError(f"{name} restores, it does not score; irq.load_teacher() loads it")
    if not isinstance(name, str) or name not in CATALOG:
        raise UsageError(f"no scorer is named {name!r}; {nearest(str(name), CATALOG)}")
    return CATALOG[name]


def _default_path(name: str) -> Path:
    path = find_weights(name)
    if path is not None:
        return path
    release = NAMED[name].release
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
