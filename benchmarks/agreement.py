"""How our scorers and pyiqa's offline metrics agree with people, and with each other, on real images.

python benchmarks/agreement.py --data ../shared/data
python benchmarks/agreement.py --data ../shared/data --pyiqa psnr ssim gmsd --out /tmp/agreement     # a quick look

Four sets, none of which ships with the project: super-resolution (SR4KIQA), GAN outputs (forced choices), underwater
photographs (no reference), and six restorations of each of 105 photographs without opinions. Of our scorers those run
whose weights are at hand. Writes agreement.json and agreement.md into results/ beside this file, anew after each set.

Where glibc hands out memory, MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296 before the command
keeps large tensors from going back to the system after each operation: half of the time is saved, for up to 4 GB.
"""

import argparse
import csv
import dataclasses
import json
import platform
import subprocess
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate
from tqdm import tqdm

import ir_quality_plugin.integrations  # noqa: F401  # before basicsr or pyiqa
from ir_quality_plugin import list_scorers
from ir_quality_plugin.catalog import find_weights
from ir_quality_plugin.checkpoints.write import whole
from ir_quality_plugin.data.images import list_images, pair_by_stem, read_image
from ir_quality_plugin.data.labels import LabelTable, Row
from ir_quality_plugin.data.partners import without_references
from ir_quality_plugin.data.readers import read_csv
from ir_quality_plugin.engine.benchmark import score_table
from ir_quality_plugin.engine.benchmark_summary import plain, summarise
from ir_quality_plugin.integrations.metric import build_metrics
from ir_quality_plugin.metrics.correlation import srcc
from ir_quality_plugin.report.text import ranking_note, text_of

RESULTS = Path(__file__).parent / "results"
FULL = ("psnr", "ssim", "ms_ssim", "cw_ssim", "fsim", "vsi", "gmsd", "nlpd", "vif")
BLIND = ("piqe", "entropy")
# Left out on the 704x576 windows of SR4KIQA: together they take as long as all others.
COSTLY = ("cw_ssim", "vif")
METHODS = ("bicubic", "IMDN", "PCARN-M-L1", "PCARN-M", "SRGAN-d", "SRGAN-z")


def sr4kiqa(data: Path, folder: Path) -> LabelTable:
    """Super-resolved images with the low-resolution input made by bicubic reduction of the reference.

    All three are cut to whole multiples of the scale first (x3: 704 to 702 px). Scenes that have no
    reference are left out.
    """
    table = read_csv(data / "human/sr4kiqa/scores.csv").only(lambda row: row.reference is not None)
    with (data / "human/sr4kiqa/scores.csv").open() as file:
        scales = {Path(entry["image"]).name: int(entry["scale"]) for entry in csv.DictReader(file)}
    return dataclasses.replace(
        table, rows=tuple(_with_input(row, scales[row.image.name], folder) for row in table.rows)
    )


def _with_input(row: Row, scale: int, folder: Path) -> Row:
    restored, reference = read_image(row.image), read_image(row.reference)
    height, width = (side // scale * scale for side in restored.shape[1:])
    clean = reference[:, :height, :width]
    size = (height // scale, width // scale)
    small = interpolate(clean[None], size, mode="bicubic", antialias=True, align_corners=False)[0].clamp(0, 1)
    if clean.shape == reference.shape:
        return dataclasses.replace(row, degraded=_save(small, folder / f"{row.image.stem}_lq.png"))
    return dataclasses.replace(
        row,
        image=_save(restored[:, :height, :width], folder / f"{row.image.stem}.png"),
        reference=_save(clean, folder / f"{row.content}_x{scale}.png"),
        degraded=_save(small, folder / f"{row.image.stem}_lq.png"),
    )


def _save(image: torch.Tensor, path: Path) -> Path:
    if not path.exists():
        Image.fromarray((image.permute(1, 2, 0) * 255).round().byte().numpy()).save(path)
    return path


def restorations(data: Path) -> LabelTable:
    """Six restorations of each photograph; their `mos` means nothing."""
    root = data / "restored/dev_sr_x4"
    cleans = list_images(root / "gt")
    found = {name: pair_by_stem(cleans, root / name) for name in (*METHODS, "degraded")}
    rows = [
        Row(found[method][index], 0.0, clean.stem, clean, found["degraded"][index], distortion=method)
        for index, clean in enumerate(cleans)
        for method in METHODS
    ]
    return LabelTable("dev_sr_x4", tuple(rows), (0.0, 1.0), True)


def against_people(table: LabelTable, scorers: list[str], pyiqa: tuple[str, ...]) -> dict:
    """Agreement with opinions; what is written names no folder of this machine."""
    metrics = build_metrics(scorers, pyiqa)
    began = time.perf_counter()
    table = without_references(table)
    results = score_table(table, metrics, track=lambda rows: tqdm(rows, table.name, disable=None))
    document = summarise(table, metrics, results)
    document["set"]["source"] = "/".join(Path(document["set"]["source"]).parts[-3:])  # human/NAME/scores.csv
    for failure in document["failures"]:
        folder, name = str(Path(failure["image"]).parent), Path(failure["image"]).name
        failure |= {"image": name, "reason": failure["reason"].replace(folder + "/", "")}
    return document | {"seconds": time.perf_counter() - began}


def with_each_other(table: LabelTable, scorers: list[str], pyiqa: tuple[str, ...]) -> dict:
    """Rank correlation of every two metrics: over all images, and mean within the restorations of one photograph."""
    metrics = build_metrics(scorers, pyiqa)
    results = score_table(table, metrics, track=lambda rows: tqdm(rows, table.name, disable=None))
    failed = [result for result in results if result.score is None]
    if failed:
        raise SystemExit(f"{failed[0].row.image}, {failed[0].metric}: {failed[0].reason}")
    scores = {name: np.array([m.sign * r.score for r in results if r.metric == name]) for name, m in metrics.items()}
    photographs = {name: values.reshape(-1, len(METHODS)) for name, values in scores.items()}
    within = {
        a: {
            b: float(np.nanmean([srcc(x, y) for x, y in zip(photographs[a], photographs[b], strict=True)]))
            for b in scores
        }
        for a in scores
    }
    return {
        "images": len(table.rows),
        "over_all": {a: {b: srcc(scores[a], scores[b]) for b in scores} for a in scores},
        "within_photograph": within,
        "means": {
            name: dict(zip(METHODS, (metrics[name].sign * values.mean(0)).tolist(), strict=True))
            for name, values in photographs.items()
        },
    }


def circumstances() -> dict:
    """Date, hardware and commit."""
    changed = " with changes" if _git("status", "--porcelain") else ""
    cpu = next((line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine())
    return {
        "date": str(date.today()),
        "commit": _git("rev-parse", "--short", "HEAD") + changed,
        "hardware": f"{cpu}, {torch.get_num_threads()} thread",
        "torch": torch.__version__,
    }


def _git(*words: str) -> str:
    call = ["git", "-C", str(Path(__file__).parents[1]), *words]
    return subprocess.run(call, capture_output=True, text=True).stdout.strip()


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def table_of(document: dict) -> list[str]:
    """Markdown of one set's agreement."""
    compared = document["compared"]
    lines = [
        f"## {document['set']['name']}: {compared['images']} images, {compared['contents']} contents",
        "",
        "| rank | metric | SRCC | within content | KRCC | PLCC, logistic |",
        "|---|---|---|---|---|---|",
    ]
    best_first = sorted(
        document["metrics"].items(), key=lambda item: (item[1]["srcc"] is None, -(item[1]["srcc"] or 0))
    )
    for name, found in best_first:
        cells = [cell_of(found, kind) for kind in ("srcc", "srcc_within", "krcc", "plcc_logistic")]
        lines.append(f"| {found['rank']} | {name} | {' | '.join(cells)} |")
    said = (*document["set"]["notes"], *document["warnings"])
    return [*lines, "", *(f"{note}." for note in said), ranking_note(document["test"]), ""]


def cell_of(found: dict, kind: str) -> str:
    """A figure with its interval."""
    low, high = (text_of(end, ".2f") for end in found["intervals"][kind])
    return text_of(found[kind]) + ("" if None in found["intervals"][kind] else f" ({low} to {high})")


def matrix_of(title: str, values: dict[str, dict[str, float]]) -> list[str]:
    """Markdown of a square table."""
    lines = [f"### {title}", "", f"| | {' | '.join(values)} |", "|---" * (len(values) + 1) + "|"]
    lines += [
        f"| {name} | {' | '.join(text_of(value, '.2f') for value in row.values())} |" for name, row in values.items()
    ]
    return [*lines, ""]


def page_of(document: dict) -> list[str]:
    """Markdown of everything."""
    cross = document["cross"]
    lines = [
        "# Agreement with people, and of metrics with each other",
        "",
        f"`python benchmarks/agreement.py`, {document['date']}, commit {document['commit']}, {document['hardware']}, "
        f"torch {document['torch']}. Signs follow the metrics' declared directions. Intervals: 1000 bootstrap "
        "resamples of images, 95 %, in brackets.",
        "",
        *(f"- {name}: {origin}" for name, origin in document["weights"].items()),
        "- sr4kiqa: scenes without a reference are left out; the degraded input is made by bicubic reduction of the "
        "reference by the scale, all cut to whole multiples of it; cw_ssim and vif are left out for their cost",
        "- gan2afc and pcuid have no degraded input: scorers that need one are not run there",
        "- pyiqa's mad is left out for its cost",
        "",
    ]
    for entry in document["people"]:
        lines += table_of(entry)
    lines += [f"## dev_sr_x4: {cross['images']} restored images, no opinions: agreement with each other (SRCC)", ""]
    lines += matrix_of("Over all images", cross["over_all"])
    lines += matrix_of("Mean within the six restorations of a photograph", cross["within_photograph"])
    lines += ["### Means by method", "", f"| | {' | '.join(METHODS)} |", "|---" * (len(METHODS) + 1) + "|"]
    for name, by_method in cross["means"].items():
        lines.append(f"| {name} | {' | '.join(text_of(value, '.4g') for value in by_method.values())} |")
    return lines


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--pyiqa", nargs="+", default=[*FULL, *BLIND], choices=[*FULL, *BLIND], help="fewer are faster")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the two tables")
    given = parser.parse_args()
    full, blind = (tuple(name for name in names if name in given.pyiqa) for names in (FULL, BLIND))
    cards = [card for card in list_scorers() if find_weights(card.name)]
    every = [card.name for card in cards if card.reference in ("none", "degraded")]
    alone = [card.name for card in cards if card.reference == "none"]
    document: dict = {**circumstances(), "weights": {card.name: card.origin for card in cards}, "people": []}
    document["cross"] = with_each_other(restorations(given.data), every, (*full, *blind))
    write(document, given.out)
    human = given.data / "human"
    with tempfile.TemporaryDirectory() as folder:
        for table, scorers, pyiqa in (
            (read_csv(human / "gan2afc/scores.csv"), alone, (*full, *blind)),
            (read_csv(human / "pcuid/scores.csv"), alone, blind),
            (sr4kiqa(given.data, Path(folder)), every, tuple(n for n in (*full, *blind) if n not in COSTLY)),
        ):
            if scorers or pyiqa:
                document["people"].append(against_people(table, scorers, pyiqa))
                write(document, given.out)


def write(document: dict, folder: Path) -> None:
    """Write what there is, whole."""
    with whole(folder / "agreement.json") as path:
        path.write_text(json.dumps(plain(document), indent=1) + "\n")
    with whole(folder / "agreement.md") as path:
        path.write_text("\n".join(page_of(plain(document))) + "\n")


if __name__ == "__main__":
    main()
