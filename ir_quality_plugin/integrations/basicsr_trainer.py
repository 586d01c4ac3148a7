"""BasicSR's own trainer and tester with our types registered, on a GPU or on a CPU, resume included."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import basicsr.test
import basicsr.train
import torch
import yaml
from basicsr.utils import options as option_files

from ..checkpoints.read import read_checkpoint
from ..data.lock import lock_of_training, locked
from ..data.yaml12 import Loader
from ..errors import CheckpointError, QualityPluginError, UsageError, plain
from .basicsr_options import check_options
from .register import register


def load_resume_state(opt: dict[str, Any]) -> dict[str, Any] | None:
    """Find and read the state to resume from, onto whatever device is there; BasicSR's own asks for a GPU.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    if opt["auto_resume"]:
        # BasicSR looks below the current folder; its experiments are below the root.
        folder = Path(opt["root_path"]) / "experiments" / opt["name"] / "training_states"
        states = sorted(folder.glob("*.state"), key=lambda path: float(path.stem))
        if states:
            opt["path"]["resume_state"] = str(states[-1])
    path = opt["path"].get("resume_state")
    if not path:
        return None
    # BasicSR's own asks for a GPU; optimisers move what they load to their parameters' device.
    state = read_checkpoint(path)
    if not isinstance(state, Mapping) or not isinstance(state.get("iter"), int):
        raise CheckpointError(f"{path} is no training state; expected experiments/NAME/training_states/ITER.state")
    basicsr.train.check_resume(opt, state["iter"])
    return dict(state)


def refuse_other_trainers(opt: Mapping[str, Any]) -> None:
    """Refuse to resume in a run of `irq train`, whose states are of another kind.

    Raises:
        UsageError: it has states there.
    """
    states = Path(opt["path"]["training_states"])
    resumes = opt["auto_resume"] or opt["path"].get("resume_state")
    if resumes and any(path.name.isdigit() and path.is_dir() for path in states.glob("*")):
        raise UsageError(
            f"{states.parent} is a run of irq train, whose states are of another kind; go on with it by irq train "
            "--auto_resume, or begin a run of another name, with its network as path.pretrain_network_g"
        )


def exactly_yaml_1_2(opt: Any) -> Any:
    """Read numbers such as 1e-4, which BasicSR's YAML loader leaves as text, as numbers, in place."""
    items = opt.items() if isinstance(opt, Mapping) else enumerate(opt) if isinstance(opt, list) else ()
    for key, value in items:
        if isinstance(value, str) and value[:1] in "+-.0123456789" and "e" in value.lower():
            try:
                opt[key] = float(value)
            except ValueError:
                continue
        else:
            exactly_yaml_1_2(value)
    return opt


def run(pipeline: Callable[[str], None], root: Path) -> None:
    """Run BasicSR's training or testing pipeline below `root`.

    The options are checked before anything is built, and another training of the name, by either trainer, is kept out
    until the end. An error of ours ends it with one line, and code 2 where the
    option file or the call is wrong, 1 where the work failed.
    """
    register()
    basicsr.train.load_resume_state = load_resume_state
    try:
        with ExitStack() as held:

            def parse_and_hold(root_path: str, is_train: bool = True) -> tuple[dict[str, Any], Any]:
                opt, arguments = parse(root_path, is_train)
                if is_train:
                    refuse_other_trainers(opt)
                    if opt["rank"] == 0:
                        lock = lock_of_training(Path(root_path), opt["name"])
                        held.enter_context(locked(lock, opt["path"]["experiments_root"]))
                return opt, arguments

            for module in (basicsr.train, basicsr.test):
                module.parse_options = parse_and_hold
            pipeline(str(root))
    except QualityPluginError as error:
        print(f"irq: {plain(str(error))}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)


def parse(root_path: str, is_train: bool = True) -> tuple[dict[str, Any], Any]:
    """Parse the command line and the option file as BasicSR does, and check them.

    BasicSR's own YAML loader builds whatever object a tag names: `!!python/object/apply:os.system` runs a command. Ours
    takes its place.

    Raises:
        UsageError: no such file, a file that is no YAML, an option that is wrong; several processes without a GPU,
            which BasicSR's launcher cannot do.
    """
    launched = any(word in ("pytorch", "slurm", "--launcher=pytorch", "--launcher=slurm") for word in sys.argv)
    if launched and not torch.cuda.is_available():
        raise UsageError("--launcher: BasicSR's launcher needs a GPU, and none is here; leave it out")
    option_files.ordered_yaml = lambda: (Loader, yaml.SafeDumper)
    try:
        opt, arguments = option_files.parse_options(root_path, is_train=is_train)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"-opt: the option file cannot be read: {error}") from error
    except KeyError as error:
        raise UsageError(f"-opt: the option file has no {error}; the files of recipes/basicsr show all keys") from error
    except (TypeError, ValueError, AttributeError) as error:  # of values that BasicSR takes for texts or mappings
        raise UsageError(
            f"-opt: BasicSR cannot take the option file apart ({error}); irq recipes validate says which value is wrong"
        ) from error
    opt = exactly_yaml_1_2({**opt, "root_path": root_path})
    if not is_train:  # a file that was trained with is one to test with
        opt["datasets"] = {name: entry for name, entry in opt["datasets"].items() if entry["phase"] != "train"}
        opt.setdefault("val", {}).setdefault("suffix", None)
        opt["val"].setdefault("save_img", True)
    for note in check_options(opt):
        print(f"irq: {plain(note)}", file=sys.stderr)
    return opt, arguments


def train(root: Path) -> None:
    """Train an option file (`-opt FILE`) as `basicsr/train.py` does."""
    run(basicsr.train.train_pipeline, root)


def test(root: Path) -> None:
    """Test an option file (`-opt FILE`) as `basicsr/test.py` does."""
    run(basicsr.test.test_pipeline, root)
