"""Files of every kind that the fuzz makes: what is sound, how it is spoiled, and the entry point that reads it."""

import csv
import io
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from scipy.io import savemat

import ir_quality_plugin as irq
from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.data.labels import LabelTable
from ir_quality_plugin.data.readers import read_csv, read_labels, read_triplets
from ir_quality_plugin.data.votes import read_votes
from ir_quality_plugin.engine.kinds import check_all
from ir_quality_plugin.engine.options import read_options
from ir_quality_plugin.engine.preflight import preflight
from ir_quality_plugin.errors import QualityPluginError
from ir_quality_plugin.integrations.basicsr_parts import read_network

ROOT = Path(__file__).parents[1]
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
# A file a line, with its content behind a bar, in which a slash ends a line.
SET_FILES = {
    "pipal": """Train_Ref/A0001.bmp|
Train_Dist/A0001_00_00.bmp|
Train_Dist/A0001_03_00.bmp|
Train_Label/A0001.txt|A0001_00_00.bmp,1400/A0001_03_00.bmp,1410
votes.csv|first,second,first_votes,second_votes/A0001_00_00.bmp,A0001_03_00.bmp,3,1""",
    "kadid10k": """images/I01.png|
images/I01_01_05.png|
dmos.csv|dist_img,ref_img,dmos,var/I01_01_05.png,I01.png,3.0,0.25""",
    "tid2013": """reference_images/I01.BMP|
distorted_images/i01_01_1.bmp|
mos_with_names.txt|4.50000 I01_01_1.bmp""",
    "csiq": """src_imgs/1600.png|
dst_imgs/awgn/1600.AWGN.1.png|
csiq.DMOS.csv|image,dst_idx,dst_type,dst_lev,dmos_std,dmos/1600,1,noise,1,0.1,0.5""",
    "koniq10k": """1024x768/1.jpg|
koniq10k_scores_and_distributions.csv|"image_name","c1","MOS","SD"/"1.jpg",0,3.0,0.4""",
}


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

    def put_back(self, path: Path) -> None:
        """Undo `make`."""
        path.unlink()

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
        """Read it as opinions; where it is none, as triplets."""
        try:
            table = read_csv(path)
        except QualityPluginError:
            read_triplets(path)
            raise
        check_opinions(table)


def check_opinions(table: LabelTable) -> None:
    """Every one is a number, and every image has a name that results call it."""
    names = table.names()
    if not all(np.isfinite(row.mos) and names[row.image] for row in table.rows):
        raise AssertionError("an opinion that is no number, or an image without a name")


class Sets(Kind):
    """The public sets' own label files, and votes on one of them; the files that are spoiled lie in whole sets."""

    def sound(self) -> Iterator[bytes]:
        """Two images a set; LIVE has 982 places."""
        for name, text in SET_FILES.items():
            for line in text.splitlines():
                path = self.folder / name / line.split("|")[0]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(line.partition("|")[2].replace("/", "\n"))
        names = np.empty((1, 982), dtype=object)
        names[0, :] = "bikes.bmp"
        originals = np.ones((1, 982))
        originals[0, 0] = 0
        for packed in (False, True):
            live, wild = self.folder / f"live{packed:d}", self.folder / f"live_challenge{packed:d}"
            for path in (live / "jp2k/img1.bmp", live / "refimgs/bikes.bmp", wild / "Images/bikes.bmp"):
                path.parent.mkdir(parents=True)
                path.touch()
            (wild / "Data").mkdir()
            for path, arrays in (
                (live / "dmos.mat", {"dmos": np.linspace(0, 100, 982)[None], "orgs": originals}),
                (live / "refnames_all.mat", {"refnames_all": names}),
                (wild / "Data/AllImages_release.mat", {"AllImages_release": names[:, :9].T}),
                (wild / "Data/AllMOS_release.mat", {"AllMOS_release": np.linspace(0, 100, 9)[None]}),
                (wild / "Data/AllStdDev_release.mat", {"AllStdDev_release": np.ones((1, 9))}),
            ):
                savemat(path, arrays, do_compression=packed)
                path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(116) + path.read_bytes()[116:])  # without the time
        self.files = sorted(path for path in self.folder.rglob("*") if path.suffix in (".txt", ".csv", ".mat"))
        self.content = {path: path.read_bytes() for path in self.files}
        yield from self.content.values()

    def make(self, draw: random.Random) -> Path:
        """Spoil one label file of one set."""
        path = draw.choice(self.files)
        content = self.content[path]
        if path.suffix == ".mat" or draw.random() < 0.4:
            path.write_bytes(damaged(draw, content))
            return path
        between = " " if path.name == "mos_with_names.txt" else ","
        lines = [line.split(between) for line in content.decode().splitlines()]
        for _ in range(draw.randint(1, 3)):
            line = draw.choice(lines)
            line[draw.randrange(len(line))] = draw.choice(ODD_VALUES)
        path.write_bytes("\n".join(map(between.join, lines)).encode("utf-8", "surrogatepass"))
        return path

    def put_back(self, path: Path) -> None:
        """Make the set whole again."""
        path.write_bytes(self.content[path])

    def use(self, path: Path) -> Any:
        """Read the set that it belongs to; the votes with it."""
        root = self.folder / path.relative_to(self.folder).parts[0]
        table = read_labels(root.name.rstrip("01") if root.name.startswith("live") else root.name, root)
        check_opinions(table)
        if path.name == "votes.csv":
            read_votes(path, table)


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
        """Check it as `irq recipes validate --images` and the first second of a training do."""
        options = read_options(path)
        check_all(options)
        preflight(options)


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
        file = io.BytesIO()
        torch.save(state, file, _use_new_zipfile_serialization=False)
        yield file.getvalue()
        save_file({"a": torch.full((2,), torch.nan)}, self.folder / "other.safetensors")
        yield (self.folder / "other.safetensors").read_bytes()

    def spoiled(self, draw: random.Random, content: bytes) -> bytes:
        """Mostly the beginning, where a file says what it holds."""
        head = draw.choice((64, 4096, len(content)))
        return damaged(draw, content[:head]) + content[head:]

    def use(self, path: Path) -> Any:
        """Load it as a network that a training begins from, and into a scorer, and score."""
        with suppress(QualityPluginError):  # it may be a scorer all the same
            read_network(str(path), "params")
        scorer = irq.load_scorer("ckdn-s", weights=path)
        with torch.inference_mode():
            scorer(torch.zeros(1, 3, 32, 32), degraded=torch.zeros(1, 3, 32, 32))
