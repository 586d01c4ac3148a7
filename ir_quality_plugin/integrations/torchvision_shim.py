"""Supply the one torchvision module that BasicSR still imports and torchvision no longer has.

BasicSR 1.4.2 imports `rgb_to_grayscale` from `torchvision.transforms.functional_tensor`, which torchvision removed.
The finder stands last on `sys.meta_path`, so that a torchvision that has the module is left alone; nothing is imported
before somebody asks for it, and no installed file is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MISSING = "torchvision.transforms.functional_tensor"


class FunctionalTensorFinder(MetaPathFinder, Loader):
    """Find and fill `torchvision.transforms.functional_tensor`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Answer for the missing module alone."""
        return ModuleSpec(fullname, self) if fullname == MISSING else None

    def exec_module(self, module: ModuleType) -> None:
        """Give the module the function that BasicSR takes from it."""
        from torchvision.transforms.functional import rgb_to_grayscale

        module.rgb_to_grayscale = rgb_to_grayscale  # type: ignore[attr-defined]


def install() -> None:
    """Make `import basicsr` work; a second call changes nothing."""
    if not any(isinstance(finder, FunctionalTensorFinder) for finder in sys.meta_path):
        sys.meta_path.append(FunctionalTensorFinder())
