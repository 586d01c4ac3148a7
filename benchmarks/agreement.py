"""How our scorers, pyiqa's offline metrics, NIQE and CNNIQA agree with people, and with each other, on real images.

python benchmarks/agreement.py --data ../shared/data
python benchmarks/agreement.py --data ../shared/data --pyiqa psnr ssim gmsd --out /tmp/agreement     # a quick look

Four sets, none of which ships with the project: super-resolution (SR4KIQA), GAN outputs (forced choices), underwater
photographs (no reference), and six restorations of each of 16 photographs without opinions. Our scorers, of which those
run whose weights are at hand, are compared on images alone that no shipped one was trained on; a second table has
pyiqa's metrics on all. Writes agreement.json and agreement.md into results/ beside this file, anew after each set.

Where glibc hands out memory, MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296 before the command
keeps large tensors from going back to the system after each operation: half of the time is saved, for up to 4 GB.
"""

import argparse
import csv
import dataclasses
import runpy
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from baselines import Cnniqa, Niqe
from PIL import Image
from provenance import provenance
from torch.nn.functional import interpolate
from tqdm import tqdm

import ir_quality_plugin.integrations  # noqa: F401  # before basicsr or pyiqa
from ir_quality_plugin import list_scorers
from ir_quality_plugin.catalog import find_weights
from ir_quality_plugin.checkpoints.json_file import plain, write_json
from ir_quality_plugin.checkpoints.write import whole
from ir_quality_plugin.data.images import list_images, pair_by_stem, read_image
from ir_quality_plugin.data.labels import LabelTable, Row
from ir_quality_plugin.data.partners import without_references
from ir_quality_plugin.data.readers import read_csv
from ir_quality_plugin.engine.benchmark import Result, score_table
from ir_quality_plugin.engine.benchmark_summary import summarise
from ir_quality_plugin.integrations.metric import Metric, build_metrics
from ir_quality_plugin.metrics.paired import agreement_of_metrics
from ir_quality_plugin.models.card import Card
from ir_quality_plugin.report.text import ranking_note, text_of

RESULTS = Path(__file__).parent / "results"
FULL = ("psnr", "ssim", "ms_ssim", "cw_ssim", "fsim", "vsi", "gmsd", "nlpd", "vif")
BLIND = ("piqe", "entropy")
# Left out on the 704x576 windows of SR4KIQA: together they take as long as all others.
COSTLY = ("cw_ssim", "vif")
CNNIQA = Path("weights/cnniqa_live.pth")
# The clean image that a scorer is given which judges against any.
ANOTHER = Path("pristine/test/kodak_01.jpg")
# Which images the shipped scorers were trained and tested on.
SHIPPED = runpy.run_path(str(Path(__file__).parents[1] / "recipes/compact/tables.py"))
UNSEEN = "what no shipped scorer was trained on"
# What the figures are not.
CHOSEN_WITH = (
    "- no shipped scorer was trained on the images of gan2afc, or on those of a set that is called *what no shipped "
    "scorer was trained on*; yet the label metrics, the teacher's distance and how often rows are repeated were chosen "
    "with gan2afc, all scenes of sr4kiqa that have a reference, and dev_sr_x4 in view. Figures on these are those of "
    "development sets, and lean to ours. pcuid's 13 photographs chose no label and no setting, and are few; their "
    "figures were read beside the others when it was decided what ships",
    "- the network that labels, and that the shipped scorers start from, learned without labels to restore most of the "
    "clean photographs of dev_sr_x4",
)
METHODS = ("bicubic", "IMDN", "PCARN-M-L1", "PCARN-M", "SRGAN-d", "SRGAN-z")


def people(data: Path, name: str) -> LabelTable:
    """A set with people's scores, by the name of its folder."""
    return dataclasses.replace(read_csv(data / "human" / name / "scores.csv"), name=name)


def sr4kiqa(data: Path, folder: Path) -> LabelTable:
    """Super-resolved images with the low-resolution input made by bicubic reduction of the reference.

    All three are cut to whole multiples of the scale first (x3: 704 to 702 px). Scenes that have no
    reference are left out.
    """
    table = people(data, "sr4kiqa").only(lambda row: row.reference is not None)
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


class Use(NamedTuple):
    """One way to use one of our scorers.

    Attributes:
        name: in the tables.
        scorer: of the catalogue.
        inputs: gives a row what the scorer judges against.
    """

    name: str
    scorer: str
    inputs: Callable[[Row], Row]


def uses_of(cards: list[Card], another: Path) -> list[Use]:
    """Every way to use the scorers: against the input, the clean image, a clean image of other things, and nothing."""
    ways: dict[str, dict[str, Callable[[Row], Row]]] = {
        "none": {"": lambda row: row},
        "degraded": {
            "": lambda row: row,
            ", clean image": lambda row: dataclasses.replace(row, degraded=row.reference),
        },
        "any-clean": {"": lambda row: dataclasses.replace(row, reference=another)},
    }
    return [Use(card.name + how, card.name, inputs) for card in cards for how, inputs in ways[card.reference].items()]


def scored(
    table: LabelTable, uses: list[Use], pyiqa: Collection[str], baselines: dict[str, Metric] | None = None
) -> tuple[dict[str, Metric], list[Result]]:
    """Score a table by all that have what they need there; scorers first."""
    metrics: dict[str, Metric] = {}
    results: list[Result] = []
    for use in uses:
        changed = dataclasses.replace(table, rows=tuple(map(use.inputs, table.rows)))
        (metric,) = build_metrics([use.scorer], ()).values()
        if metric.needs and not any(getattr(row, metric.needs) for row in changed.rows):
            continue
        metric.name = use.name
        metrics[use.name] = metric
        results += score_table(changed, {use.name: metric}, track=lambda rows, use=use: progress(rows, use.name))
    others = (build_metrics((), pyiqa) if pyiqa else {}) | (baselines or {})
    results += score_table(table, others, track=lambda rows: progress(rows, "the others"))
    return metrics | others, results


def progress(rows: Sequence[Row], what: str) -> Iterable[Row]:
    """Show how far it is."""
    return tqdm(rows, what, disable=None)


def against_people(
    table: LabelTable,
    unseen: Callable[[Row], bool],
    uses: list[Use],
    pyiqa: Collection[str],
    baselines: dict[str, Metric],
) -> list[dict]:
    """Agreement with opinions: of everything on what no training saw, and of the others on all where that is more."""
    table = without_references(table)
    fresh = table.only(unseen)
    ours, results = scored(fresh, uses, ())
    others, of_all = scored(table, [], pyiqa, baselines)
    results += [result for result in of_all if unseen(result.row)]
    if len(fresh.rows) == len(table.rows):
        return [summarise(table, ours | others, results)]
    fresh = dataclasses.replace(fresh, name=f"{table.name}, {UNSEEN}")
    return [summarise(fresh, ours | others, results), summarise(table, others, of_all)]


def with_each_other(table: LabelTable, uses: list[Use], pyiqa: Collection[str], baselines: dict[str, Metric]) -> dict:
    """How every two metrics agree: over all images, and within the restorations of one photograph."""
    metrics, results = scored(table, uses, pyiqa, baselines)
    failed = [result for result in results if result.score is None]
    if failed:
        raise SystemExit(f"{failed[0].row.image}, {failed[0].metric}: {failed[0].reason}")
    scores = [[metric.sign * r.score for r in results if r.metric == name] for name, metric in metrics.items()]
    photographs = np.array(scores).reshape(len(metrics), -1, len(METHODS))
    over_all, within = (
        {name: dict(zip(metrics, row, strict=True)) for name, row in zip(metrics, matrix.tolist(), strict=True)}
        for matrix in agreement_of_metrics(photographs)
    )
    return {
        "images": len(table.rows),
        "over_all": over_all,
        "within_photograph": within,
        "means": {
            name: dict(zip(METHODS, (metric.sign * values.mean(0)).tolist(), strict=True))
            for (name, metric), values in zip(metrics.items(), photographs, strict=True)
        },
    }


def table_of(document: dict) -> list[str]:
    """Markdown of one set's agreement."""
    compared = document["compared"]
    lines = [
        f"## {document['set']['name']}: {compared['images']} images, {compared['contents']} contents",
        "",
        "| rank | metric | SRCC | within content | rank within | KRCC | PLCC, logistic |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in document["metrics"].items():
        cells = [cell_of(found, kind) for kind in ("srcc", "srcc_within", "krcc", "plcc_logistic")]
        cells.insert(2, text_of(found["rank_within"], "d"))
        lines.append(f"| {text_of(found['rank'], 'd')} | {name} | {' | '.join(cells)} |")
    said = (*document["set"]["notes"], *document["warnings"])
    return [*lines, "", *(f"{note}." for note in said), ranking_note(document["test"], document["test_within"]), ""]


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
        f"{document['threads']} threads, "
        f"torch {document['torch']}. Signs follow the metrics' declared directions. Intervals: 1000 bootstrap "
        "resamples of images, 95 %, in brackets.",
        "",
        *(f"- {name}: {origin}" for name, origin in document["weights"].items()),
        f"- `, clean image`: judged against the clean image instead of the input; cvrkd-s is given {ANOTHER.name}, one "
        "photograph of other things, beside every image",
        "- sr4kiqa: scenes without a reference are left out; the degraded input is made by bicubic reduction of the "
        "reference by the scale, all cut to whole multiples of it; cw_ssim and vif are left out for their cost",
        "- gan2afc and pcuid have no degraded input: scorers that need one are not run there",
        "- the shipped scorers were trained on a consensus of fsim, vsi and a teacher's distance beside people's "
        "scores: that they agree with these on dev_sr_x4 would be no evidence",
        *CHOSEN_WITH,
        "- pyiqa's mad is left out for its cost; niqe is BasicSR's; cnniqa was trained on LIVE",
        "",
    ]
    for entry in document["people"]:
        lines += table_of(entry)
    lines += [
        f"## dev_sr_x4, what no shipped scorer was trained on: {cross['images']} images, agreement with each other",
        "",
    ]
    lines += matrix_of("SRCC over all images", cross["over_all"])
    lines += matrix_of("Kendall's tau-a within the six restorations of a photograph, mean", cross["within_photograph"])
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
    pyiqa = tuple(given.pyiqa)
    blind = tuple(name for name in pyiqa if name in BLIND)
    cards = [card for card in list_scorers() if find_weights(card.name)]
    uses = uses_of(cards, given.data / ANOTHER)
    part_of, scenes = SHIPPED["part_of"], SHIPPED["SCENES"]
    document: dict = {**provenance(), "weights": {card.name: card.origin for card in cards}, "people": []}
    cross = restorations(given.data).only(lambda row: part_of(row.content) != "train")
    baselines = {metric.name: metric for metric in (Niqe(), Cnniqa(given.data / CNNIQA))}
    document["cross"] = with_each_other(cross, uses, pyiqa, baselines)
    write(document, given.out)
    with tempfile.TemporaryDirectory() as folder:
        for table, unseen, names in (
            (people(given.data, "gan2afc"), lambda row: True, pyiqa),
            (people(given.data, "pcuid"), lambda row: part_of(f"pcuid_{row.content}") == "test", blind),
            (
                sr4kiqa(given.data, Path(folder)),
                lambda row: scenes.get(row.content) == "test",
                tuple(name for name in pyiqa if name not in COSTLY),
            ),
        ):
            document["people"] += against_people(table, unseen, uses, names, baselines)
            write(document, given.out)


def write(document: dict, folder: Path) -> None:
    """Write what there is, whole."""
    write_json(folder / "agreement.json", plain(document))
    with whole(folder / "agreement.md") as path:
        path.write_text("\n".join(page_of(plain(document))) + "\n")


if __name__ == "__main__":
    main()
