"""Damaged and odd option files, label tables, checkpoints and images through the public entry points.

    python benchmarks/fuzz.py --out FOLDER [--cases 10000] [--seed 0]

Every case must end in a result or in one of the package's own errors, within the time limit and without much memory.
None may write outside of its own folder, start a process, open a connection, or unpickle by Python's own reader, which
Python's audit hooks tell. What does is kept in FOLDER/failures with its traceback, and the exit code is 1. The counts
go to benchmarks/results/fuzz.json. The same seed makes the same cases. 10,000 of them take a quarter of an hour.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from fuzzed_files import Images, Kind, OptionFiles, Sets, Tables, Weights
from provenance import provenance

import ir_quality_plugin as irq
from ir_quality_plugin.checkpoints.write import whole
from ir_quality_plugin.errors import QualityPluginError

ROOT = Path(__file__).parents[1]
SECONDS, GIBIBYTES = 20, 2.0
KINDS: tuple[type[Kind], ...] = (Images, Tables, OptionFiles, Weights, Sets)
FINE = ("result", "own error")
# What no file may make Python do, and what changes files at the paths that come with it.
NEVER = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect", "pickle.find_class")
CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod")


class Watch:
    """Hears what Python is asked to do in a case, beyond reading.

    Args:
        folder: where a case may write.

    Attributes:
        heard: what it may not have done, of the present case.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.heard, self.at_work = folder.resolve(), list[str](), False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, given: tuple[Any, ...]) -> None:
        if not self.at_work:
            return
        if event in NEVER:
            self.heard.append(f"{event} {given}"[:300])
        paths = given[:2] if event in CHANGES else ()
        if event == "open" and given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            paths = given[:1]
        for path in paths:
            if isinstance(path, str | bytes | os.PathLike) and not self._inside(os.fsdecode(path)):
                self.heard.append(f"{event} {os.fsdecode(path)}"[:300])

    def _inside(self, path: str) -> bool:
        absolute = os.path.abspath(path)
        return absolute == os.devnull or absolute.startswith(f"{self.folder}{os.sep}")


def main(given: argparse.Namespace, kinds: tuple[type[Kind], ...] = KINDS) -> int:
    """Run every case, and write the counts."""
    origin = provenance()  # at first, since another clone's package may be the one that is installed
    irq.register()
    warnings.simplefilter("ignore")
    sys.dont_write_bytecode = True  # of what is imported in a case
    draw, ends, slowest = random.Random(given.seed), Counter[tuple[str, str]](), Counter[str]()
    failures = given.out / "failures"
    shutil.rmtree(failures, ignore_errors=True)
    failures.mkdir(parents=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        made = {kind.__name__: kind(Path(folder) / kind.__name__) for kind in kinds}
        watch = Watch(Path(folder))
        for index in range(given.cases):
            name = list(made)[index % len(made)]
            path = made[name].make(draw)
            began = time.perf_counter()
            end, said = outcome(made[name].use, path, watch)
            slowest[name] = max(slowest[name], time.perf_counter() - began)
            ends[name, end] += 1
            if end not in FINE:
                shutil.copy(path, failures / f"{index}{path.suffix}")
                (failures / f"{index}.traceback").write_text(said)
                print(f"case {index}, {name}: {end}: {said.strip().rpartition(chr(10))[2][:200]}", flush=True)
            made[name].put_back(path)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    bad = sum(count for (_, end), count in ends.items() if end not in FINE) + (grown > GIBIBYTES)
    document = {
        **origin,
        "seed": given.seed,
        "cases": given.cases,
        "ends": {name: {end: count for (kind, end), count in sorted(ends.items()) if kind == name} for name in made},
        "slowest_seconds": {name: round(seconds, 2) for name, seconds in slowest.items()},
        "memory_grown_gib": round(grown, 2),
    }
    with whole(given.result) as place:
        place.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document, indent=1))
    return int(bool(bad))


class TookTooLong(BaseException):
    """A case that did not end; no `except Exception` may keep it."""


def outcome(use: Callable[[Path], Any], path: Path, watch: Watch) -> tuple[str, str]:
    """How a case ends, "result" or "own error" where it is as it should be; and what was said."""

    def ring(*_: Any) -> None:
        raise TookTooLong

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    watch.heard, watch.at_work = [], True
    end, said = "result", ""
    try:
        use(path)
    except QualityPluginError as error:
        end, said = ("own error", str(error)) if str(error).strip() else ("an error that says nothing", repr(error))
    except TookTooLong:
        end, said = "hang", traceback.format_exc()
    except BaseException:  # noqa: BLE001  # it is what is looked for
        end, said = "foreign error", traceback.format_exc()
    finally:
        watch.at_work = False
        signal.alarm(0)
    return ("forbidden deed", "\n".join(watch.heard)) if watch.heard else (end, said)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--result", type=Path, default=ROOT / "benchmarks/results/fuzz.json", help="Where counts go.")
    torch.set_num_threads(1)
    sys.exit(main(parser.parse_args()))
