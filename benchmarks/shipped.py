"""What the shipped scorers cost, and how easily they are gamed, beside metrics of pyiqa; and README's table of it all.

    python -m benchmarks.shipped --data ../shared/data      # about ten minutes of a core
    python -m benchmarks.shipped --readme                   # only fills in README's table

GAN above L1: how often PCARN's GAN output scores above its L1 output, which has the higher PSNR, and the clean image
above both; on photographs of dev_sr_x4 whose restorations no shipped scorer was trained on (half of them decided which
checkpoint was kept, and the restoration teacher, from which all three started, had seen the clean photographs).
cvrkd-s is shown another clean photograph, here and in what follows. Gained by gaming: `irq probe` on restorations of
the same photographs; the mean gain in shares of the metric's own range, with its interval; in brackets where the metric
sees the clean image, and moving towards it is no gaming. Milliseconds: one core's time for an image of 256 px, of a
score and of a score with its gradient to the pixels, median of seven in turns; cvrkd-s is shown a new reference at each
call. Controls: what a scorer's reference is to it, when a wrong one takes its place. The agreement with people is
agreement.json's, of benchmarks/agreement.py.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor

import ir_quality_plugin.integrations  # noqa: F401  # before basicsr or pyiqa
from ir_quality_plugin import list_scorers
from ir_quality_plugin.catalog import find_weights
from ir_quality_plugin.checkpoints.json_file import plain, write_json
from ir_quality_plugin.checkpoints.read import read_weights
from ir_quality_plugin.checkpoints.write import whole
from ir_quality_plugin.data.images import list_images, pair_by_stem, read_image
from ir_quality_plugin.engine.gaming import Attack, Images, gradient_of
from ir_quality_plugin.engine.probe import Finding, judged, probe, summarise
from ir_quality_plugin.integrations.metric import Metric, build_metrics
from ir_quality_plugin.report.text import text_of

from .provenance import provenance
from .readme import README, filled
from .speed.clock import Clock

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
PYIQA = ("ssim", "ms_ssim", "fsim", "vsi", "gmsd", "nlpd")
BLIND = ("niqe", "cnniqa")
GAMED = ("PCARN-M-L1", "IMDN")
PAIR = ("PCARN-M-L1", "PCARN-M")
ANOTHER = "pristine/test/kodak_01.jpg"
SIDE_PX = 256
BEGIN, END = "<!-- scorers: python -m benchmarks.shipped -->", "<!-- end of scorers -->"
# Name in the tables of agreement: what it judges against, and what it is for.
USES = {
    "ckdn-s": ("the degraded input", "outputs without ground truth; a loss of unpaired photographs"),
    "ckdn-s, clean image": ("the clean image", "validation with ground truth (`full_reference=True`)"),
    "teacheriqa-s": ("nothing", "any image; real photographs"),
    "cvrkd-s": ("any clean image", "any image, beside clean ones of your own domain"),
    **dict.fromkeys(PYIQA, ("the clean image", "pyiqa's")),
    "niqe": ("nothing", "BasicSR's"),
    "cnniqa": ("nothing", "trained on LIVE"),
}
SR, FRESH_SR, GAN = "sr4kiqa", "sr4kiqa, what no shipped scorer was trained on", "gan2afc"


class Beside(Metric):
    """A metric that judges against any clean image, always shown the same one."""

    def __init__(self, metric: Metric, another: Tensor) -> None:
        super().__init__(metric.name, metric.origin, None, metric.higher_is_better, tiled=metric.tiled)
        self.metric, self.another = metric, another

    def _score(self, restored: Tensor, guide: Tensor | None) -> Tensor:
        return self.metric(restored, reference=self.another)


def photographs(data: Path) -> list[dict[str, Tensor]]:
    """The clean image, the input and the restorations of each photograph whose restorations no scorer learnt from."""
    folder = data / "restored/dev_sr_x4"
    part_of = runpy.run_path(str(ROOT / "recipes/compact/tables.py"))["part_of"]
    cleans = [path for path in list_images(folder / "gt") if part_of(path.stem) != "train"]
    found = {name: pair_by_stem(cleans, folder / name) for name in {*GAMED, *PAIR, "degraded", "gt"}}
    return [{name: read_image(paths[index])[None] for name, paths in found.items()} for index in range(len(cleans))]


def preferences(metrics: dict[str, Metric], pictures: list[dict[str, Tensor]]) -> dict[str, dict[str, int]]:
    """How often each metric prefers the GAN's output to the L1 network's, and the clean image to both."""
    found = {}
    for name, metric in metrics.items():
        rows = []
        for images in pictures:
            scores = (metric(images[kind], images["degraded"], images["gt"]).item() for kind in (*PAIR, "gt"))
            rows.append([metric.sign * score for score in scores])
        found[name] = {
            "gan_above_l1": sum(gan > l1 for l1, gan, _ in rows),
            "clean_above_both": sum(clean > max(l1, gan) for l1, gan, clean in rows),
            "photographs": len(rows),
        }
    return found


def gaming(metrics: dict[str, Metric], pictures: list[Images]) -> dict[str, Any]:
    """What the probe finds of each metric over all pictures."""
    attack, findings = Attack(), dict[str, list[Finding]]()
    others: dict[str, list[dict[str, float]]] = {}
    for index, images in enumerate(pictures):
        found = probe(metrics, images, attack)
        for name, said in judged(metrics, images, found).items():
            findings.setdefault(name, []).append(found[name].finding)
            others.setdefault(name, []).append({judge: by for judge, by in said.items() if not isinstance(by, str)})
        print(f"{index + 1} of {len(pictures)} restorations gamed", flush=True)
    return summarise(metrics, findings, others, attack)


def costs(metrics: dict[str, Metric], rounds: int = 7) -> dict[str, Any]:
    """Time of a score, and of one with its gradient to the pixels."""
    generator = torch.Generator().manual_seed(0)
    restored, degraded, *references = (torch.rand(1, 3, SIDE_PX, SIDE_PX, generator=generator) for _ in range(34))
    clock, never_seen = Clock(torch.device("cpu"), "cpu", rounds), itertools.cycle(references)

    def timed(call: Callable[[Metric, Images], Any]) -> dict[str, Any]:
        return clock.interleaved(
            {
                name: lambda metric=metric: call(metric, Images(restored, degraded, next(never_seen)))
                for name, metric in metrics.items()
            }
        )

    with torch.inference_mode():
        scores = timed(lambda metric, images: metric(*images))
    gradients = timed(lambda metric, images: gradient_of(metric, images, images.restored))
    return {name: {"score": scores[name], "gradient": gradients[name]} for name in metrics}


def controls(metrics: dict[str, Metric], pictures: list[dict[str, Tensor]], another: Tensor) -> dict[str, Any]:
    """How alike the scores of restorations are when what they are judged against is replaced: rank and difference."""
    noise = torch.rand(another.shape, generator=torch.Generator().manual_seed(0))
    rows = [
        (images[kind], images, pictures[index - 1])
        for index, images in enumerate(pictures)
        for kind in sorted({*GAMED, *PAIR})
    ]
    ckdn, cvrkd = metrics["ckdn-s"], metrics["cvrkd-s"]
    judged = {
        "ckdn-s": {
            "true": [ckdn(restored, images["degraded"]) for restored, images, _ in rows],
            "the restored image itself": [ckdn(restored, restored) for restored, *_ in rows],
            "another photograph's input": [
                ckdn(restored, resized(other["degraded"], images["degraded"])) for restored, images, other in rows
            ],
        },
        "cvrkd-s": {
            "true": [cvrkd(restored, reference=another) for restored, *_ in rows],
            "uniform noise": [cvrkd(restored, reference=noise) for restored, *_ in rows],
            "the restored image itself": [cvrkd(restored, reference=restored) for restored, *_ in rows],
            "its own clean image": [cvrkd(restored, reference=images["gt"]) for restored, images, _ in rows],
        },
    }
    return {name: {kind: likeness(scores, by["true"]) for kind, scores in by.items()} for name, by in judged.items()}


def resized(image: Tensor, like: Tensor) -> Tensor:
    """An image at another one's size."""
    return torch.nn.functional.interpolate(image, like.shape[-2:], mode="bicubic", antialias=True).clamp(0, 1)


def likeness(scores: list[Tensor], true: list[Tensor]) -> dict[str, float]:
    """The rank correlation of two lists of scores, and the mean of their absolute differences."""
    one, other = torch.cat(scores), torch.cat(true)
    return {"srcc": spearmanr(one, other).statistic, "mean_difference": (one - other).abs().mean().item()}


def digest(name: str) -> str:
    """What tells these weights from others, whatever their card says."""
    path = find_weights(name)
    tensors = {} if path is None else read_weights(path).tensors
    found = hashlib.sha256()
    for key in sorted(tensors):
        found.update(key.encode() + tensors[key].contiguous().numpy().tobytes())
    return found.hexdigest()


def measure(data: Path) -> dict[str, Any]:
    """Everything that is measured here."""
    metrics = build_metrics([card.name for card in list_scorers() if card.name in USES], PYIQA)
    pictures, another = photographs(data), read_image(data / ANOTHER)[None]
    beside = metrics | {"cvrkd-s": Beside(metrics["cvrkd-s"], another)}
    with torch.inference_mode():
        preferred, replaced = preferences(beside, pictures), controls(metrics, pictures, another)
    attacked = [
        Images(images[GAMED[index % 2]], images["degraded"], images["gt"]) for index, images in enumerate(pictures)
    ]
    return plain(
        {
            **provenance(),
            "weights": {name: digest(name) for name in metrics if name not in PYIQA},
            "controls": replaced,
            "costs": costs(metrics),
            "preferences": preferred,
            "gaming": gaming(beside, attacked),
        }
    )


def table(agreement: dict[str, Any], measured: dict[str, Any]) -> str:
    """Markdown: a row a scorer."""
    sets = {entry["set"]["name"]: entry["metrics"] for entry in agreement["people"]}
    lines = [
        "| scorer | judges against | for | SR4KIQA, overall | within a scene | gan2afc, within content | "
        "GAN above L1 | clean above both | gained by gaming | score, ms | with gradient, ms |",
        "|---" * 11 + "|",
    ]
    for name, (against, purpose) in USES.items():
        sr, gan = sets[FRESH_SR].get(name), sets[GAN].get(name)
        cells = [f"`{name}`", against, purpose, *(figure(sr, kind) for kind in ("srcc", "srcc_within"))]
        cells += [
            figure(gan, "srcc_within"),
            *preferred(measured["preferences"].get(name)),
            gained(measured["gaming"].get(name), against == "the clean image"),
        ]
        cells += [milliseconds(measured["costs"].get(name), kind) for kind in ("score", "gradient")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def figure(found: dict[str, Any] | None, kind: str) -> str:
    """A correlation of agreement.json, or a dash where a metric was not run."""
    return text_of(None if found is None else found[kind], ".2f")


def preferred(found: dict[str, Any] | None) -> list[str]:
    """Of how many photographs the GAN's output was preferred, and the clean image."""
    if found is None:
        return [text_of(None)] * 2
    return [f"{found[kind]} of {found['photographs']}" for kind in ("gan_above_l1", "clean_above_both")]


def gained(found: dict[str, Any] | None, towards_clean: bool) -> str:
    """What gaming gains, with its interval; in brackets where that only moves a picture towards the clean one."""
    if found is None:
        return "–"
    low, high = found["gain_interval"]
    text = f"{found['gain']:.0%} ({low:.0%} to {high:.0%})"
    return f"[{text}]" if towards_clean else text


def milliseconds(found: dict[str, Any] | None, kind: str) -> str:
    """A median time."""
    return "–" if found is None else f"{found[kind]['median_s'] * 1e3:.0f}"


def main() -> None:
    """Measure, and fill in README's table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--readme", action="store_true", help="measure nothing, fill in the table")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if not given.readme:
        write_json(RESULTS / "shipped.json", measure(given.data))
    agreement, measured = (json.loads((RESULTS / f"{name}.json").read_text()) for name in ("agreement", "shipped"))
    with whole(README) as path:
        path.write_text(filled(README.read_text(encoding="utf-8"), BEGIN, END, table(agreement, measured)), "utf-8")


if __name__ == "__main__":
    main()
