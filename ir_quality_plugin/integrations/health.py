"""What of the packages around us works on this machine, and the remedy for what does not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ..catalog import NAMED, find_weights, weights_folder
from ..checkpoints.read import read_weights
from ..errors import CheckpointError

VGG19 = "vgg19-dcbb9e9d.pth"


@dataclass(frozen=True)
class Finding:
    """One line of `irq doctor`.

    Attributes:
        subject: what was looked at.
        state: "ok"; "note": works, with something to know; "problem": something that is installed does not work.
        found: what is there.
        remedy: what to do; empty where nothing is to be done.
    """

    subject: str
    state: Literal["ok", "note", "problem"]
    found: str
    remedy: str = ""


def findings() -> Iterator[Finding]:
    """Look at everything, one finding after the other; imports what it looks at and downloads nothing."""
    for look in (python, torch_pair, devices, basicsr, pyiqa, accelerate, clashes, vgg, weights):
        yield from look()


def installed(package: str) -> str | None:
    """Version of an installed package; None where it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def python() -> Iterator[Finding]:
    """The interpreter."""
    found = sys.version.split()[0]
    if (3, 11) <= sys.version_info < (3, 13):
        yield Finding("Python", "ok", found)
    else:
        yield Finding("Python", "problem", found, "use Python 3.11 or 3.12: BasicSR cannot be built on 3.13")


def torch_pair() -> Iterator[Finding]:
    """torch, and a torchvision that was built for it."""
    yield Finding("torch", "ok", installed("torch") or "missing")
    found = installed("torchvision") or "missing"
    needed = [entry for entry in distribution("torchvision").requires or [] if entry.startswith("torch")]
    remedy = f"torchvision {found} was built for {', '.join(needed)}: pip install that torch, or a matching torchvision"
    yield _imported("torchvision", found, "torchvision", remedy)


def devices() -> Iterator[Finding]:
    """Where networks run."""
    import torch

    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        yield Finding("device", "ok", f"{torch.cuda.device_count()} GPU: {names}")
    else:
        remedy = "write num_gpu: 0 in BasicSR's option files, and no --launcher"
        yield Finding("device", "note", f"CPU, {torch.get_num_threads()} threads", remedy)


def basicsr() -> Iterator[Finding]:
    """BasicSR, the module of torchvision that it misses, and what Python 3.12 took from it."""
    found = installed("basicsr")
    if found is None:
        remedy = (
            "for option files and restoration training: pip install cython numpy torch setuptools wheel && "
            "pip install --no-build-isolation 'ir-quality-plugin[basicsr]' (isolated, its build fetches torch again)"
        )
        yield Finding("basicsr", "note", "not installed", remedy)
        return
    if find_spec("distutils") is None and installed("setuptools") is None:
        yield Finding("basicsr", "problem", f"{found} without distutils", "pip install setuptools")
        return
    yield _imported("basicsr", found, "basicsr", "reinstall it: pip install --no-build-isolation basicsr==1.4.2")
    from .torchvision_shim import MISSING, FunctionalTensorFinder

    origin = find_spec(MISSING)
    if origin is not None and isinstance(origin.loader, FunctionalTensorFinder):
        remedy = "nothing to do here; in your own script write import ir_quality_plugin.integrations before basicsr"
        yield Finding("basicsr", "note", f"torchvision has no {MISSING}: it is supplied", remedy)


def pyiqa() -> Iterator[Finding]:
    """pyiqa, and whether our metrics are known to it."""
    found = installed("pyiqa")
    if found is None:
        remedy = "for baselines and PyiqaLoss: pip install 'ir-quality-plugin[pyiqa]' (noncommercial licence)"
        yield Finding("pyiqa", "note", "not installed", remedy)
        return
    yield _imported("pyiqa", found, "pyiqa", "reinstall it: pip install --force-reinstall pyiqa")


def accelerate() -> Iterator[Finding]:
    """accelerate, for training over several processes."""
    found = installed("accelerate")
    if found is None:
        yield Finding("accelerate", "note", "not installed", "for several GPUs: pip install accelerate")
    else:
        yield Finding("accelerate", "ok", found)


def clashes() -> Iterator[Finding]:
    """Packages that overwrite each other's files; BasicSR and pyiqa bring both of each pair."""
    for kept, other in (("opencv-python-headless", "opencv-python"), ("tensorboard", "tb-nightly")):
        if installed(kept) and installed(other):
            remedy = f"keep one: pip uninstall -y {other} {kept} && pip install {kept}=={installed(kept)}"
            found = f"{other} {installed(other)} and {kept} {installed(kept)} overwrite each other's files"
            yield Finding(kept, "note", found, remedy)


def vgg() -> Iterator[Finding]:
    """VGG19, which BasicSR's PerceptualLoss fetches at its first use."""
    if installed("basicsr") is None:
        return
    import torch

    places = (Path("experiments/pretrained_models") / VGG19, Path(torch.hub.get_dir()) / "checkpoints" / VGG19)
    here = next((path for path in places if path.is_file()), None)
    if here:
        yield Finding("VGG19", "ok", str(here))
    else:
        remedy = f"BasicSR's PerceptualLoss will fetch it; without a network put it at {places[1]}"
        yield Finding("VGG19", "note", "not here", remedy)


def weights() -> Iterator[Finding]:
    """The weights of every scorer: where they are, and whether they are whole."""
    for name in NAMED:
        path = find_weights(name)
        if path is None:
            remedy = f"irq weights convert FILE --scorer {name}" if "-s" not in name else "pass weights=PATH"
            yield Finding(name, "note", f"no weights in the package or in {weights_folder()}", remedy)
            continue
        try:
            read_weights(path)
        except CheckpointError as error:
            yield Finding(name, "problem", str(error), f"restore or remove {path}")
        else:
            yield Finding(name, "ok", str(path))


def _imported(subject: str, found: str, module: str, remedy: str) -> Finding:
    failed = failure_of(lambda: import_module(module))
    return Finding(subject, "problem", f"{found}: {failed}", remedy) if failed else Finding(subject, "ok", found)


def failure_of(act: Callable[[], object]) -> str | None:
    """What an import fails with; a broken package may raise anything while it is imported."""
    try:
        act()
    except Exception as error:  # noqa: BLE001  # it is what is reported
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"
    return None
