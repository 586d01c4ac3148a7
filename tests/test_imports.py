"""The layers: imports go downward only, and importing the package stays cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ir_quality_plugin

PACKAGE = Path(ir_quality_plugin.__file__).parent
LAYERS = [
    {"errors", "files", "version"},
    {"nn"},
    {"models", "degradations"},
    {"checkpoints", "metrics", "data"},
    {"scorers"},
    {"entries"},
    {"catalog"},
    {"losses"},
    {"integrations"},
    {"engine", "evaluation", "report"},
    {"cli", "__init__"},
    {"__main__", "train", "basicsr_train", "basicsr_test"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
MODULES = sorted(PACKAGE.rglob("*.py"))


def part_of(module: str) -> str:
    """The layer's name in `ir_quality_plugin.part.rest`; the package itself is `__init__`."""
    return [*module.split("."), "__init__"][1]


def imported_modules(path: Path) -> set[str]:
    """Every module of the package that a file names in an import statement, wherever it stands."""
    package = ["ir_quality_plugin", *path.relative_to(PACKAGE).parent.parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("ir_quality_plugin")}
        elif isinstance(node, ast.ImportFrom) and node.level:
            home = package[: len(package) - node.level + 1] + (node.module or "").split(".") * bool(node.module)
            names = [[*home, alias.name] for alias in node.names] if len(home) == 1 else [home]
            found |= {".".join(name) for name in names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ir_quality_plugin"):
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_the_layers_only(path):
    own = part_of("ir_quality_plugin." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    for module in imported_modules(path):
        other = part_of(module)
        if other == own or own == "__init__" or (other == "__init__" and own == "cli"):
            continue
        assert LEVEL[other] < LEVEL[own], f"{own} (layer {LEVEL[own]}) imports {module} (layer {LEVEL[other]})"


def test_the_layer_walk_sees_relative_and_absolute_imports(tmp_path):
    assert "ir_quality_plugin.nn.pixels" in imported_modules(PACKAGE / "scorers" / "scorer.py")
    assert "ir_quality_plugin.checkpoints.read" in imported_modules(PACKAGE / "catalog.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_basicsr_and_pyiqa_are_imported_by_the_integrations_alone(path):
    if "integrations" in path.parts:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        assert not {name.split(".")[0] for name in names} & {"basicsr", "pyiqa"}


def test_no_module_has_a_name_that_says_nothing():
    assert not {path.stem for path in MODULES} & {"utils", "common", "helpers", "misc", "base", "tools"}


@pytest.mark.parametrize("statement", ["import ir_quality_plugin", "import ir_quality_plugin as irq; irq.load_scorer"])
def test_importing_pulls_in_no_heavy_neighbour(statement):
    heavy = ["basicsr", "pyiqa", "transformers", "kornia", "accelerate", "torchvision", "matplotlib"]
    code = f"{statement}; import sys; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_importing_the_package_does_not_import_torch():
    code = "import ir_quality_plugin, sys; print('torch' in sys.modules, ir_quality_plugin.__version__)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"False {ir_quality_plugin.__version__}"


def test_every_public_name_is_there():
    for name in ir_quality_plugin.__all__:
        assert getattr(ir_quality_plugin, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = ir_quality_plugin.no_such_name
