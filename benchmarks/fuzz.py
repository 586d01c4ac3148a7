"""Damaged and odd option files, label tables, checkpoints and images through the public entry points.

    python benchmarks/fuzz.py --out FOLDER [--cases 10000] [--seed 0]

Every case must end in a result or in one of the package's own errors, within the time limit, without much memory and
without a file outside of its folder. What does not is kept in FOLDER/failures with its traceback, and the exit code is
1. The counts go to benchmarks/results/fuzz.json. The same seed makes the same cases.
"""

import argparse
import csv
import io
import json
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from provenance import provenance
from safetensors.torch import save_file

import ir_quality_plugin as irq
from ir_quality_plugin.checkpoints.write import whole
from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.data.readers import read_csv
from ir_quality_plugin.engine.kinds import check_all
from ir_quality_plugin.engine.options import read_options
from ir_quality_plugin.errors import QualityPluginError

ROOT = Path(__file__).parents[1]
SECONDS, GIBIBYTES = 20, 2.0
# What stands in the place of a value or a cell, one a line.
ODD_VALUES = r"""~
nan
.inf
-1
0
1e400
99999999999999999999
''
[]
{}
[[]]
true
'no'
3.5
2026-01-01
!!python/name:os.system
../../../etc/passwd
*anchor
&anchor
0x7fffffffffffffff
[1,[2,[3]]]
{type: Nothing}
'
|
>
@
`
%""".splitlines()


def main(given: argparse.Namespace) -> int:
    """Run every case, and write the counts."""
    irq.register()
    warnings.simplefilter("ignore")
    draw, ends, slowest = random.Random(given.seed), Counter(), Counter()
    failures = given.out / "failures"
    shutil.rmtree(failures, ignore_errors=True)
    failures.mkdir(parents=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        kinds = {kind.__name__: kind(Path(folder) / kind.__name__) for kind in (Images, Tables, OptionFiles, Weights)}
        for index in range(given.cases):
            name = list(kinds)[index % len(kinds)]
            path = kinds[name].make(draw)
            began = time.perf_counter()
            end, said = outcome(kinds[name].use, path)
            slowest[name] = max(slowest[name], time.perf_counter() - began)
            end = end if kinds[name].alone(path) else "wrote beside it"
            ends[name, end] += 1
            if end not in ("result", "own error"):
                shutil.copy(path, failures / f"{index}{path.suffix}")
                (failures / f"{index}.txt").write_text(said)
                print(f"case {index}, {name}: {end}: {said.strip().rpartition(chr(10))[2][:200]}", flush=True)
            path.unlink()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    bad = sum(count for (_, end), count in ends.items() if end not in ("result", "own error")) + (grown > GIBIBYTES)
    document = {
        **provenance(),
        "seed": given.seed,
        "cases": given.cases,
        "ends": {name: {end: count for (kind, end), count in sorted(ends.items()) if kind == name} for name in kinds},
        "slowest_seconds": {name: round(seconds, 2) for name, seconds in slowest.items()},
        "memory_grown_gib": round(grown, 2),
    }
    with whole(ROOT / "benchmarks/results/fuzz.json") as place:
        place.write_text(json.dumps(document, indent=1))
    print(json.dumps(document, indent=1))
    return bool(bad)


class TookTooLong(BaseException):
    """A case that did not end; no `except Exception` may keep it."""


def outcome(use: Callable[[Path], Any], path: Path) -> tuple[str, str]:
    """How a case ends: "result", "own error", "foreign error" or "hang"; and what was said."""

    def ring(*_: Any) -> None:
        raise TookTooLong

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        use(path)
    except QualityPluginError as error:
        return ("own error", str(error)) if str(error).strip() else ("an error that says nothing", repr(error))
    except TookTooLong:
        return "hang", traceback.format_exc()
    except BaseException:  # noqa: BLE001  # it is what is looked for
        return "foreign error", traceback.format_exc()
    finally:
        signal.alarm(0)
    return "result", ""


def damaged(draw: random.Random, content: bytes) -> bytes:
    """Bytes with a few things done to them."""
    found = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        place, length = draw.randrange(len(found) + 1), draw.choice((1, 1, 4, 16, 200))
        match draw.randrange(7):
            case 0:
                del found[place:]
            case 1:
                del found[place : place + length]
            case 2:
                found[place:place] = draw.randbytes(length)
            case 3:
                found[place : place + length] = bytes(length)
            case 4:
                found[place : place + length] = b"\xff" * length
            case 5:
                found[place:place] = found[: length * 4]
            case _ if found:
                found[place % len(found)] ^= 1 << draw.randrange(8)
    return bytes(found)


class Kind(ABC):
    """One kind of file: seeds that are sound, ways to spoil them, and the entry point that reads them."""

    suffixes: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.seeds = list(self.sound())
        self.kept = {path.name for path in folder.iterdir()}

    @abstractmethod
    def sound(self) -> Iterator[bytes]:
        """Contents that are read without an error."""

    def spoiled(self, draw: random.Random, content: bytes) -> bytes:
        """A seed with something wrong."""
        return damaged(draw, content)

    def make(self, draw: random.Random) -> Path:
        """Write the next case."""
        path = self.folder / f"case{draw.choice(self.suffixes)}"
        path.write_bytes(self.spoiled(draw, draw.choice(self.seeds)))
        return path

    def alone(self, path: Path) -> bool:
        """Whether nothing was written beside the case; what was is removed."""
        beside = {found.name for found in self.folder.iterdir()} - self.kept - {path.name}
        for name in beside:
            (self.folder / name).unlink()
        return not beside

    @abstractmethod
    def use(self, path: Path) -> Any:
        """Read it as a user would."""


class Images(Kind):
    """Images of every format and mode, read and, where they are small, scored."""

    suffixes = (".png", ".jpg", ".bmp", ".webp", ".tif", ".gif", ".txt")

    def sound(self) -> Iterator[bytes]:
        """Noise of 40 x 36 pixels."""
        self.scorer = irq.load_scorer("teacheriqa-s")
        pixels = np.random.default_rng(0).integers(0, 256, (36, 40, 4), dtype=np.uint8)
        for mode in ("RGB", "RGBA", "L", "P", "1", "CMYK", "I;16", "LA"):
            picture = Image.fromarray(pixels, "RGBA").convert("I" if mode == "I;16" else mode)
            for form in ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF"):
                file = io.BytesIO()
                try:
                    picture.convert("I;16").save(file, form) if mode == "I;16" else picture.save(file, form)
                except (OSError, ValueError):
                    continue  # a format that has no such mode
                yield file.getvalue()

    def use(self, path: Path) -> Any:
        """Read it, and score it where it is small."""
        image = read_image(path)
        if not (image.shape[0] == 3 and image.min() >= 0 and image.max() <= 1):
            raise AssertionError(f"shape {tuple(image.shape)}, from {image.min()} to {image.max()}")
        if max(image.shape) <= 64 and not torch.isfinite(self.scorer(image[None])).all():
            raise AssertionError("a score that is no number")


class Tables(Kind):
    """Tables of opinions, of bytes and of cells that are odd."""

    suffixes = (".csv",)

    def sound(self) -> Iterator[bytes]:
        """A few rows, with and without optional columns."""
        for name in ("a.png", "b.png"):
            Image.new("RGB", (32, 32)).save(self.folder / name)
        rows = [["image", "reference", "mos", "content"], ["a.png", "b.png", "3.5", "one"], ["b.png", "", "2", "two"]]
        for columns in ((0, 2), (0, 1, 2), (0, 1, 2, 3)):
            file = io.StringIO()
            csv.writer(file).writerows([[row[column] for column in columns] for row in rows])
            yield file.getvalue().encode()

    def spoiled(self, draw: random.Random, content: bytes) -> bytes:
        """Bytes damaged, or cells replaced."""
        if draw.random() < 0.5:
            return damaged(draw, content)
        rows = list(csv.reader(io.StringIO(content.decode())))
        for _ in range(draw.randint(1, 3)):
            row = draw.choice(rows)
            row[draw.randrange(len(row))] = draw.choice(ODD_VALUES)
        file = io.StringIO()
        csv.writer(file).writerows(rows)
        return file.getvalue().encode("utf-8", "surrogatepass")

    def use(self, path: Path) -> Any:
        """Read it."""
        table = read_csv(path)
        if not all(np.isfinite(row.mos) for row in table.rows):
            raise AssertionError("an opinion that is no number")


class OptionFiles(Kind):
    """Option files, of bytes and of values that are odd."""

    suffixes = (".yml",)

    def sound(self) -> Iterator[bytes]:
        """The recipes."""
        for path in sorted((ROOT / "recipes").rglob("*.yml")):
            if path.parent.name != "accelerate":
                yield path.read_bytes()

    def spoiled(self, draw: random.Random, content: bytes) -> bytes:
        """Bytes damaged, values replaced, or lines moved, repeated and taken out."""
        if draw.random() < 0.3:
            return damaged(draw, content)
        lines = content.decode().splitlines()
        for _ in range(draw.randint(1, 3)):
            place = draw.randrange(len(lines))
            key, colon, _ = lines[place].partition(":")
            match draw.randrange(4):
                case 0 if colon:
                    lines[place] = f"{key}: {draw.choice(ODD_VALUES)}"
                case 1:
                    lines.insert(draw.randrange(len(lines)), lines.pop(place))
                case 2:
                    lines.insert(place, lines[place])
                case _:
                    lines[place] = lines[place].replace(draw.choice("aeiou0123456789"), draw.choice("xyz9-.[{:"), 1)
        return "\n".join(lines).encode("utf-8", "surrogatepass")

    def use(self, path: Path) -> Any:
        """Check it as `irq recipes validate` and the first second of a training do."""
        check_all(read_options(path))


class Weights(Kind):
    """Files of weights."""

    suffixes = (".safetensors", ".pth")

    def sound(self) -> Iterator[bytes]:
        """The smallest shipped scorer, in both forms, and files that hold other things."""
        shipped = ROOT / "ir_quality_plugin/weights/ckdn-s.safetensors"
        yield shipped.read_bytes()
        state = irq.load_scorer("ckdn-s").network.state_dict()
        for content in (state, {"params": state}, {"params": 3}, [1, 2], {"a": torch.ones(2)}, torch.ones(3)):
            file = io.BytesIO()
            torch.save(content, file)
            yield file.getvalue()
        save_file({"a": torch.full((2,), torch.nan)}, self.folder / "other.safetensors")
        yield (self.folder / "other.safetensors").read_bytes()

    def spoiled(self, draw: random.Random, content: bytes) -> bytes:
        """Mostly the beginning, where a file says what it holds."""
        head = draw.choice((64, 4096, len(content)))
        return damaged(draw, content[:head]) + content[head:]

    def use(self, path: Path) -> Any:
        """Load it into a scorer, and score."""
        scorer = irq.load_scorer("ckdn-s", weights=path)
        with torch.inference_mode():
            scorer(torch.zeros(1, 3, 32, 32), degraded=torch.zeros(1, 3, 32, 32))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    torch.set_num_threads(1)
    sys.exit(main(parser.parse_args()))
