"""The public sets as they unpack, and a plain CSV; each reader gives a `LabelTable`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from ..errors import UsageError, nearest
from .csv_file import read_entries, read_lines
from .labels import LabelTable, Row, Triplet, checked
from .mat_file import read_numbers, read_texts


def read_labels(layout: str, root: str | Path) -> LabelTable:
    """Read a set of human scores.

    Args:
        layout: "pipal", "kadid10k", "tid2013", "live", "csiq", "koniq10k", "live_challenge" or "csv".
        root: the folder that the set unpacks to; for "csv" the file.

    Returns:
        The table; `notes` says what is missing or differs from the published set.

    Raises:
        UsageError: an unknown layout, or a folder that has not that layout: says what was looked for.
    """
    if layout not in READERS:
        raise UsageError(f"layout={layout!r}; {nearest(str(layout), READERS)}")
    return READERS[layout](Path(root))


def _found(root: Path, *places: str) -> Path:
    """The first of several places that is there; releases of a set differ in such details."""
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; expected the set as it unpacks")
    for place in places:
        if (root / place).exists():
            return root / place
    raise UsageError(f"{root} has none of {', '.join(places)}; expected the set as it unpacks")


def _by_lower_name(folder: Path) -> dict[str, Path]:
    """Files by name in lower case: label files and folders of some sets differ in case."""
    return {path.name.lower(): path for path in folder.iterdir() if path.is_file()}


def _number(text: Any, where: str) -> float:
    try:
        number = float(text)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}: {text!r} is no score; expected a number") from error
    if not isfinite(number):
        raise UsageError(f"{where}: {text!r} is no score; expected a finite number; leave the image out")
    return number


def _parts(text: str, between: str | None, count: int, where: str) -> list[str]:
    """The parts of a line or a name, as many as the set's layout has."""
    parts = [part.strip() for part in text.strip().split(between)]
    if len(parts) != count:
        raise UsageError(f"{where}: {text.strip()!r} has {len(parts)} parts; expected {count}: mend or remove the line")
    return parts


def _same_length(where: Path, **lists: Sequence[Any]) -> None:
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) > 1:
        raise UsageError(f"{where}: the lists differ in length: {lengths}; expected the files of one release")


def read_pipal(root: Path) -> LabelTable:
    """PIPAL's training part: `Train_Ref`, `Train_Dist` or `Distortion_1..4`, `Train_Label`; Elo scores."""
    labels, references = _found(root, "Train_Label", "train_label"), _found(root, "Train_Ref", "train_ref")
    folders = [root / name for name in ("Train_Dist", "Train_Distort", *(f"Distortion_{i}" for i in range(1, 5)))]
    images = {path.name: path for folder in folders if folder.is_dir() for path in folder.iterdir()}

    def rows() -> Iterator[Row]:
        for listed in sorted(labels.glob("*.txt")):
            for line in read_lines(listed):
                name, score = _parts(line, ",", 2, listed.name)
                content, group, number = _parts(Path(name).stem, "_", 3, listed.name)
                kind = f"{group}_{number}"
                image = images.get(name, folders[0] / name)
                yield Row(image, _number(score, str(listed)), content, references / f"{content}.bmp", distortion=kind)

    return checked("PIPAL", rows(), (900.0, 1900.0), True, "Jinjin et al., ECCV 2020", 23200, folders)


def read_kadid10k(root: Path) -> LabelTable:
    """KADID-10k: `images`, `dmos.csv`; its dmos is higher for better images."""
    images = _found(root, "images")

    def rows() -> Iterator[Row]:
        for entry in read_entries(_found(root, "dmos.csv"), ("dist_img", "ref_img", "dmos", "var")):
            kind = _parts(Path(entry["dist_img"]).stem, "_", 3, "dmos.csv")[1]
            yield Row(
                images / entry["dist_img"],
                _number(entry["dmos"], "dmos.csv"),
                Path(entry["ref_img"]).stem,
                images / entry["ref_img"],
                mos_std=abs(_number(entry["var"], "dmos.csv")) ** 0.5,
                distortion=kind,
            )

    return checked("KADID-10k", rows(), (1.0, 5.0), True, "Lin et al., QoMEX 2019", 10125, [images])


def read_tid2013(root: Path) -> LabelTable:
    """TID2013: `reference_images`, `distorted_images`, `mos_with_names.txt`."""
    images = _by_lower_name(_found(root, "distorted_images"))
    references = _by_lower_name(_found(root, "reference_images"))

    def rows() -> Iterator[Row]:
        for line in read_lines(_found(root, "mos_with_names.txt")):
            score, name = _parts(line, None, 2, "mos_with_names.txt")
            content, kind, _ = _parts(Path(name).stem.lower(), "_", 3, "mos_with_names.txt")
            missing = root / "distorted_images" / name
            yield Row(
                images.get(name.lower(), missing),
                _number(score, "mos_with_names.txt"),
                content,
                references.get(f"{content}.bmp", root / "reference_images" / f"{content}.bmp"),
                distortion=kind,
            )

    return checked("TID2013", rows(), (0.0, 9.0), True, "Ponomarenko et al., 2015", 3000, [root / "distorted_images"])


LIVE_PARTS = (("jp2k", 227), ("jpeg", 233), ("wn", 174), ("gblur", 174), ("fastfading", 174))


def read_live(root: Path) -> LabelTable:
    """LIVE release 2: a folder a distortion, `refimgs`, `dmos_realigned.mat` or `dmos.mat`, `refnames_all.mat`.

    Realigned scores leave the nominal 0 to 100 slightly; so does their quality.
    """
    scores = read_numbers(_found(root, "dmos_realigned.mat", "dmos.mat"), "dmos_new", "dmos", "orgs")
    values = scores.get("dmos_new", scores.get("dmos"))
    if values is None or "orgs" not in scores:
        raise UsageError(f"{root}: dmos.mat has no 'dmos' or no 'orgs'; expected LIVE release 2")
    references = read_texts(_found(root, "refnames_all.mat"), "refnames_all")
    places = [(kind, number) for kind, count in LIVE_PARTS for number in range(1, count + 1)]
    _same_length(root, images=places, scores=values, originals=scores["orgs"], references=references)

    def rows() -> Iterator[Row]:
        for (kind, number), score, original, name in zip(places, values, scores["orgs"], references, strict=True):
            if original:
                continue
            image = root / kind / f"img{number}.bmp"
            yield Row(image, _number(score, "dmos.mat"), Path(name).stem, root / "refimgs" / name, distortion=kind)

    return checked(
        "LIVE", rows(), (0.0, 100.0), False, "Sheikh et al., release 2", 779, [root / kind for kind, _ in LIVE_PARTS]
    )


CSIQ_KINDS = {
    "noise": ("awgn", "AWGN"), "awgn": ("awgn", "AWGN"), "blur": ("blur", "BLUR"), "contrast": ("contrast", "contrast"),
    "fnoise": ("fnoise", "fnoise"), "jpeg": ("jpeg", "JPEG"), "jpeg 2000": ("jpeg2000", "jpeg2000"),
    "jpeg2000": ("jpeg2000", "jpeg2000"),
}  # fmt: skip


def read_csiq(root: Path) -> LabelTable:
    """CSIQ: `src_imgs`, `dst_imgs`, and the sheet `all_by_image` of `csiq.DMOS.xlsx`, saved as `csiq.DMOS.csv`."""
    images, references = _found(root, "dst_imgs"), _found(root, "src_imgs")
    if not (root / "csiq.DMOS.csv").is_file() and (root / "csiq.DMOS.xlsx").is_file():
        raise UsageError(
            f"{root}/csiq.DMOS.xlsx is a workbook: save its sheet all_by_image as csiq.DMOS.csv beside it, with the "
            "columns image, dst_type, dst_lev, dmos_std, dmos"
        )

    def rows() -> Iterator[Row]:
        entries = read_entries(_found(root, "csiq.DMOS.csv"), ("image", "dst_type", "dst_lev", "dmos"))
        for entry in entries:
            kind = entry["dst_type"].strip().lower()
            if kind not in CSIQ_KINDS:
                raise UsageError(f"csiq.DMOS.csv: dst_type={entry['dst_type']!r}; {nearest(kind, CSIQ_KINDS)}")
            folder, middle = CSIQ_KINDS[kind]
            content = entry["image"].strip()
            level = round(_number(entry["dst_lev"], "csiq.DMOS.csv"))
            spread = entry.get("dmos_std")
            yield Row(
                images / folder / f"{content}.{middle}.{level}.png",
                _number(entry["dmos"], "csiq.DMOS.csv"),
                content,
                references / f"{content}.png",
                mos_std=_number(spread, "csiq.DMOS.csv") if spread else None,
                distortion=folder,
            )

    return checked("CSIQ", rows(), (0.0, 1.0), False, "Larson and Chandler, 2010", 866, sorted(images.iterdir()))


def read_koniq10k(root: Path) -> LabelTable:
    """KonIQ-10k: `1024x768` or `512x384`, `koniq10k_scores_and_distributions.csv`; every image is its own content."""
    images = _found(root, "1024x768", "512x384")
    scores = _found(root, "koniq10k_scores_and_distributions.csv", "koniq10k_scores.csv")

    def rows() -> Iterator[Row]:
        for entry in read_entries(scores, ("image_name", "MOS")):
            spread = entry.get("SD")
            yield Row(
                images / entry["image_name"],
                _number(entry["MOS"], scores.name),
                Path(entry["image_name"]).stem,
                mos_std=_number(spread, scores.name) if spread else None,
            )

    return checked("KonIQ-10k", rows(), (1.0, 5.0), True, "Hosu et al., TIP 2020", 10073, [images])


def read_live_challenge(root: Path) -> LabelTable:
    """LIVE in the Wild: `Images`, `Data/All..._release.mat`; the first 7, shown for practice, are left out."""
    data, images = _found(root, "Data"), _found(root, "Images")
    names = read_texts(_found(data, "AllImages_release.mat"), "AllImages_release")
    scores, spreads = (
        read_numbers(_found(data, f"{name}.mat"), name)[name] for name in ("AllMOS_release", "AllStdDev_release")
    )
    _same_length(data, images=names, scores=scores, spreads=spreads)

    def rows() -> Iterator[Row]:
        for name, score, spread in list(zip(names, scores, spreads, strict=True))[7:]:
            mos, mos_std = _number(score, "AllMOS_release.mat"), _number(spread, "AllStdDev_release.mat")
            yield Row(images / name, mos, Path(name).stem, mos_std=mos_std)

    return checked("LIVE Challenge", rows(), (0.0, 100.0), True, "Ghadiyaram and Bovik, TIP 2016", 1162, [images])


def read_csv(path: Path, images: Path | None = None) -> LabelTable:
    """A CSV with the columns image and mos, and any of reference, degraded, mos_std, content, distortion.

    Paths are relative to `images` where they are there, else to the file, else a file of `images` has their last part;
    an image of the list is no reference or degraded input by its last part alone. Higher is better, unless the column
    of scores is named dmos. The range is that of the scores. Without a content, the reference names it, else the image
    itself.
    """
    entries = read_entries(path, ("image",))
    if not entries:
        raise UsageError(f"{path} lists no image; expected image,mos and at least one row")
    columns = [name for name in ("mos", "dmos") if name in entries[0]]
    if not columns:
        raise UsageError(f"{path} has no column 'mos' (or 'dmos'); it has {', '.join(entries[0])}")
    if len(columns) > 1:
        raise UsageError(f"{path} has the columns mos and dmos; expected one: the direction depends on it")
    column = columns[0]
    blank = next((number for number, entry in enumerate(entries, 2) if not entry["image"].strip()), None)
    if blank:
        raise UsageError(f"{path}, line {blank}: no image is named; mend or remove the line")

    def place(text: str) -> Path:
        places = [images / text, path.parent / text, images / Path(text).name] if images else [path.parent / text]
        return next((found for found in places if found.is_file()), path.parent / text)

    listed_images = {place(entry["image"]) for entry in entries}

    def partner(text: str | None) -> Path | None:
        if not text:
            return None
        found = place(text)
        taken = images and found == images / Path(text).name and Path(text).parts[:-1] and found in listed_images
        return path.parent / text if taken else found

    def rows() -> Iterator[Row]:
        for line, entry in enumerate(entries, 2):
            spread = entry.get("mos_std")
            yield Row(
                place(entry["image"]),
                _number(entry[column], f"{path.name}, line {line}, {entry['image']}"),
                entry.get("content") or entry.get("scene") or Path(entry.get("reference") or entry["image"]).stem,
                partner(entry.get("reference")),
                partner(entry.get("degraded")),
                _number(spread, f"{path.name}, line {line}") if spread else None,
                entry.get("distortion") or entry.get("method") or None,
                line,
            )

    listed = list(rows())
    scores = [row.mos for row in listed]
    span = (min(scores), max(scores)) if min(scores) < max(scores) else (min(scores), min(scores) + 1)
    return checked(path.name, listed, span, column == "mos", path.name, None)


def read_triplets(path: Path, folder: Path | None = None) -> list[Triplet]:
    """A CSV with the columns image and reference, and any of degraded, content, distortion: nothing is judged yet.

    Paths are relative to `folder`, or to the file's own. Without a content, the reference names it. No image is looked
    for; a table that cannot be read, or a row without an image or a reference, is a UsageError.
    """
    home, entries = folder or path.parent, read_entries(path, ("image", "reference"))
    if not entries:
        raise UsageError(f"{path} lists no image; expected the columns image,reference and at least one row")
    empty = [line for line, entry in enumerate(entries, 2) if not entry["image"] or not entry["reference"]]
    if empty:
        raise UsageError(
            f"{path}, line {empty[0]}: no image or no reference ({len(empty)} such rows); expected both: what labels "
            "such a table compares with the clean image; remove them"
        )
    return [
        Triplet(
            home / entry["image"],
            home / entry["reference"],
            home / entry["degraded"] if entry.get("degraded") else None,
            entry.get("content") or entry.get("scene") or Path(entry["reference"]).stem,
            entry.get("distortion") or entry.get("method") or None,
        )
        for entry in entries
    ]


READERS: dict[str, Callable[[Path], LabelTable]] = {
    "pipal": read_pipal,
    "kadid10k": read_kadid10k,
    "tid2013": read_tid2013,
    "live": read_live,
    "csiq": read_csiq,
    "koniq10k": read_koniq10k,
    "live_challenge": read_live_challenge,
    "csv": read_csv,
}
