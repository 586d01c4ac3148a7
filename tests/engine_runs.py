"""What the engine's tests share: short runs of the smoke recipes, and what they leave behind."""

import json
import sys
from pathlib import Path

import torch

RECIPES = Path(__file__).parents[1] / "recipes"
SMOKE = RECIPES / "smoke"
SHORT = [
    "train.total_iter=6",
    "logger.save_checkpoint_freq=2",
    "logger.print_freq=1",
    "val.val_freq=3",
    "val.save_img=false",
]


def command(recipe, root, *overrides, processes=0, more=()):
    """The command line of a run: in one process, or under torchrun."""
    launch = ["-m", "ir_quality_plugin.train"]
    if processes:
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), *launch]
    options = [word for override in overrides for word in ("--set", override)]
    return [sys.executable, *launch, "-opt", str(recipe), "--root", str(root), *options, *more]


def networks(root):
    """All networks of a run, by file name."""
    (folder,) = Path(root).glob("experiments/*/models")
    return {path.name: torch.load(path, weights_only=True) for path in folder.glob("*.pth")}


def equal(one, other):
    """Whether two saved networks are equal to the bit."""
    return one.keys() == other.keys() and all(
        torch.equal(tensor, other[key][name]) for key, inner in one.items() for name, tensor in inner.items()
    )


def run(name, root, *overrides, auto_resume=False):
    """A short run in this process; gives its folder and what it said."""
    from ir_quality_plugin.engine.loop import train
    from ir_quality_plugin.engine.options import read_options

    said = []
    folder = train(read_options(SMOKE / f"{name}.yml", [*SHORT, *overrides]), root, auto_resume, said.append)
    return folder, said


def log_of(folder, kind):
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [entry for entry in entries if entry["kind"] == kind]
