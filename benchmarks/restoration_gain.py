"""Does a quality term make better pictures? The same small network, start, budget and data; only the loss differs.

    python benchmarks/restoration_gain.py --train PHOTOGRAPHS --test PHOTOGRAPHS --out FOLDER

PHOTOGRAPHS are folders of clean images. Each task first trains a start by L1, from which every loss goes on for as many
iterations again, L1 among them. What the networks make of the test photographs is judged by our three scorers and by
pyiqa's and BasicSR's metrics; what was optimised, and its kin, is marked and proves nothing. A gain is the mean over
photographs of the difference from L1, in the direction of better, with a bootstrap interval of the paired differences.
Last, a run maximises a scorer without bound and without a pixel loss, and the guard stops it; beside a recommended term
it has nothing to say.

An interrupted run goes on where it was; a network is trained anew when its options, photographs or the weights of its
loss are others. Each test photograph is judged in its middle, SIDE pixels. The table
and the pictures (of photographs that scikit-image and matplotlib carry) go to
benchmarks/results/restoration_gain.{md,json,webp}.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from baselines import Niqe
from gain_table import L1, LEGEND, gains, table_of
from PIL import Image
from provenance import provenance
from torch import nn

import ir_quality_plugin as irq
from ir_quality_plugin.catalog import find_weights
from ir_quality_plugin.checkpoints.write import whole
from ir_quality_plugin.cli.demo import cut_photographs
from ir_quality_plugin.data.images import list_images
from ir_quality_plugin.engine.build import build_generator
from ir_quality_plugin.engine.loop import train
from ir_quality_plugin.engine.options import read_options
from ir_quality_plugin.entries import TEACHER
from ir_quality_plugin.errors import UsageError
from ir_quality_plugin.integrations.basicsr_datasets import DegradedOnTheFlyDataset
from ir_quality_plugin.integrations.metric import build_metrics

irq.register()  # mends what basicsr imports and torchvision has no more
from basicsr.utils.registry import LOSS_REGISTRY  # noqa: E402

BASE = Path(__file__).parents[1] / "recipes/demo/l1.yml"
RESULTS = Path(__file__).parent / "results"
TASKS = {
    "x4 super-resolution": {
        "scale": 4, "batch": 8, "noise": "[0, 5]", "jpeg": "[60, 95]",
        "network": "{type: MSRResNet, num_in_ch: 3, num_out_ch: 3, num_feat: 32, num_block: 4, upscale: 4}",
    },
    "denoising and JPEG": {
        "scale": 1, "batch": 4, "noise": "[5, 30]", "jpeg": "[30, 90]",
        "network": "{type: SRVGGNetCompact, num_in_ch: 3, num_out_ch: 3, num_feat: 24, num_conv: 8, upscale: 1}",
    },
}  # fmt: skip
START, HACKED, GUARDED = "start", "ckdn-s alone", "L1 + ckdn-s, a tenth, guarded"
TERMS = {
    "ckdn-s": "DegradedReferenceQualityLoss",
    "teacheriqa-s": "NoReferenceQualityLoss",
    "cvrkd-s": "ContentVariantQualityLoss",
}
# plain: as steep as it is; bounded: nothing is paid beyond the clean image's own score; balanced: bounded, and with
# half of the L1 gradient's norm, measured at the restored image, or with a tenth, as most recipes have it.
FORMS = {"plain": "loss_weight: 0.05", "bounded": "loss_weight: 0.05, ceiling: reference",
         "balanced": "balance: 0.5, ceiling: reference",
         "a tenth": "balance: 0.1, ceiling: reference"}  # fmt: skip
PYIQA = ("psnr", "ssim", "ms_ssim", "fsim", "vsi", "gmsd")
BORDER_PX, SHOWN_PX = 4, 128


@LOSS_REGISTRY.register()
class PyiqaAsLoss(nn.Module):
    """A metric as pyiqa's own `as_loss=True` gives it, of those where higher is better."""

    def __init__(self, metric: str, loss_weight: float) -> None:
        import pyiqa

        super().__init__()
        self.metric, self.loss_weight = pyiqa.create_metric(metric, as_loss=True, device="cpu"), loss_weight

    def forward(self, restored: torch.Tensor, reference: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Compute 1 - metric, as its users write it where higher is better; a perceptual_opt has a second term."""
        return self.loss_weight * (1 - self.metric(restored, reference)), None


def losses(references: Path) -> dict[str, list[str]]:
    """Each loss by name, as changes of the option file; cvrkd-s judges against images of `references`."""
    found: dict[str, list[str]] = {L1: []}
    for scorer, kind in TERMS.items():
        for form, options in FORMS.items():
            bank = f", references: {references.resolve()}" if scorer == "cvrkd-s" else ""
            found[f"L1 + {scorer}, {form}"] = [f"train.quality_opt={{type: {kind}, scorer: {scorer}, {options}{bank}}}"]
    found["L1 + teacher features"] = ["train.quality_opt={type: TeacherFeatureLoss, loss_weight: 0.1}"]
    for metric in ("ssim", "vsi"):
        own = f"{{type: PyiqaAsLoss, metric: {metric}, loss_weight: 0.05}}"
        found[f"L1 + pyiqa's {metric}"] = [f"train.perceptual_opt={own}"]
    found["L1 + GAN"] = [
        "model_type=QualityESRGANModel",
        "network_d={type: UNetDiscriminatorSN, num_in_ch: 3, num_feat: 16}",
        "train.optim_d={type: Adam, lr: 3.0e-4, betas: [0.9, 0.99]}",
        "train.net_d_iters=1",
        "train.net_d_init_iters=0",
        "train.gan_opt={type: GANLoss, gan_type: vanilla, real_label_val: 1.0, fake_label_val: 0.0, loss_weight: 0.02}",
    ]
    return found


def unbounded() -> list[str]:
    """The changes of a run that does nothing but drive a scorer up, watched by the guard; its L1 is for show."""
    return [
        "train.pixel_opt.loss_weight=1.0e-6",
        f"train.quality_opt={{type: {TERMS['ckdn-s']}, scorer: ckdn-s, loss_weight: 1.0}}",
        "train.guard={optimised: ckdn, metrics: [gmsd, psnr], action: stop}",
        "val.val_freq=25",
    ]


def watched(given: argparse.Namespace) -> list[str]:
    """The changes of a run with the term as most recipes have it, under the same guard."""
    return [
        *losses(given.train)["L1 + ckdn-s, a tenth"],
        "train.guard={optimised: ckdn, metrics: [gmsd, psnr], action: warn}",
        f"val.val_freq={max(given.iterations // 6, 1)}",
    ]


def file_name(task: str, name: str, given: argparse.Namespace) -> str:
    """A name for the folder of a training: another for other options, photographs or weights of the loss."""
    weights = [path.read_bytes() for path in map(find_weights, (*TERMS, TEACHER)) if path and name not in (START, L1)]
    photographs = [path.name for path in list_images(given.train)]
    told = [TASKS[task], own_options(task, name, given), given.iterations, photographs, BASE.read_text()]
    digest = hashlib.sha256(json.dumps(told, default=str).encode())
    for content in weights:
        digest.update(content)
    plain = "_".join("".join(sign if sign.isalnum() else "-" for sign in part) for part in (task, name))
    return f"{plain}_{digest.hexdigest()[:8]}"


def trained_file(task: str, name: str, given: argparse.Namespace) -> Path:
    """Where the network that a loss made lies."""
    return given.out.resolve() / "experiments" / file_name(task, name, given) / "models/net_g_latest.pth"


def own_options(task: str, name: str, given: argparse.Namespace) -> list[str]:
    """What a training changes of what all have in common."""
    special = {START: lambda: [], HACKED: unbounded, GUARDED: lambda: watched(given)}
    return special.get(name, lambda: losses(given.train)[name])()


def options_of(task: str, name: str, given: argparse.Namespace) -> list[str]:
    """What a training changes of the base file."""
    setting, iterations = TASKS[task], given.iterations
    start = "~" if name == START else trained_file(task, START, given)
    degradation = [
        f"datasets.{part}.{key}={setting[short]}"
        for part in ("train", "val")
        for key, short in (("noise_sigma_255", "noise"), ("jpeg_quality", "jpeg"))
    ]
    return [
        f"name={file_name(task, name, given)}",
        f"scale={setting['scale']}",
        f"network_g={setting['network']}",
        f"datasets.train.batch_size_per_gpu={setting['batch']}",
        f"datasets.train.dataroot_gt={given.train.resolve()}",
        f"datasets.val.dataroot_gt={middles(given).resolve()}",
        *degradation,
        f"path.pretrain_network_g={start}",
        "path.param_key_g=params_ema",
        f"train.optim_g.lr={1e-3 if name == START else 3e-4}",
        f"train.total_iter={iterations}",
        f"train.scheduler.periods=[{iterations}]",
        f"val.val_freq={10 * iterations}",
        f"logger.save_checkpoint_freq={max(iterations // 2, 1)}",
        *own_options(task, name, given),
    ]


def network_of(task: str, name: str, given: argparse.Namespace) -> nn.Module:
    """The network that a loss made, trained now unless it was before."""
    trained, changes = trained_file(task, name, given), options_of(task, name, given)
    if not trained.exists():
        train(read_options(BASE, changes), given.out, auto_resume=True, say=print)
    weights = [f"path.pretrain_network_g={trained}", "model_type=QualitySRModel"]
    plain = [change for change in changes if not change.startswith(("train.quality", "train.g", "network_d"))]
    return build_generator(read_options(BASE, [*plain, *weights])).eval()


def photographs(task: str, folder: Path) -> DegradedOnTheFlyDataset:
    """Test photographs, degraded as the task says; the same at every call."""
    setting = TASKS[task]
    noise, jpeg = (json.loads(setting[kind]) for kind in ("noise", "jpeg"))
    options = {"name": "test", "dataroot_gt": str(folder), "noise_sigma_255": noise, "jpeg_quality": jpeg}
    return DegradedOnTheFlyDataset({**options, "phase": "val", "scale": setting["scale"]})


def middles(given: argparse.Namespace) -> Path:
    """The folder of the test photographs' middles, which are cut where they are missing.

    Raises:
        UsageError: a photograph is smaller.
    """
    paths = list_images(given.test)
    folder = given.out / f"test_{given.side}_{hashlib.sha256(str(paths).encode()).hexdigest()[:8]}"
    for path in paths:
        own = folder / f"{path.stem}.png"
        if not own.exists():
            with Image.open(path) as image, whole(own) as place:
                if min(image.size) < given.side:
                    raise UsageError(f"{path} has {image.size} px; expected {given.side} at least, or a smaller --side")
                left, top = ((side - given.side) // 2 for side in image.size)
                box = (left, top, left + given.side, top + given.side)
                image.convert("RGB").crop(box).save(place, "png")
    return folder


def judge(task: str, given: argparse.Namespace, networks: dict[str, nn.Module]) -> dict[str, dict[str, list[float]]]:
    """Scores by loss and metric, one a photograph, in the direction of better."""
    metrics = build_metrics(tuple(TERMS), PYIQA) | {"niqe": Niqe(crop_border=BORDER_PX)}
    dataset = photographs(task, middles(given))
    found: dict[str, dict[str, list[float]]] = {name: {} for name in networks}
    for index in range(len(dataset)):
        degraded, clean = (dataset[index][kind][None] for kind in ("lq", "gt"))
        another = dataset[(index + 1) % len(dataset)]["gt"][None]
        for name, network in networks.items():
            restored = network(degraded).clamp(0, 1)
            for metric in metrics.values():
                reference = clean if metric.aligned else another
                score = metric.sign * metric(restored, degraded, reference).item()
                found[name].setdefault(metric.name, []).append(score)
        print(f"{task}: {index + 1} of {len(dataset)} photographs judged", flush=True)
    return found


def pixels(image: torch.Tensor) -> np.ndarray:
    """(1,3,H,W) in [0,1] as 8-bit RGB (H,W,3)."""
    return (image[0].permute(1, 2, 0) * 255).round().byte().numpy()


def draw(task: str, given: argparse.Namespace, networks: dict[str, nn.Module]) -> Image.Image:
    """Restored crops side by side, a row a photograph: the input, each loss, the clean image."""
    cut_photographs(given.out / "photographs")
    dataset = photographs(task, given.out / "photographs/test")
    rows = []
    for index in range(1, len(dataset), max(len(dataset) // 4, 1)):
        degraded, clean = (dataset[index][kind][None] for kind in ("lq", "gt"))
        shown = [nn.functional.interpolate(degraded, clean.shape[-2:], mode="nearest")]
        shown += [network(degraded).clamp(0, 1) for network in networks.values()] + [clean]
        rows.append(np.hstack([pixels(image)[32 : 32 + SHOWN_PX, 32 : 32 + SHOWN_PX] for image in shown]))
    return Image.fromarray(np.vstack(rows))


def guarded(task: str, given: argparse.Namespace) -> tuple[dict[str, object], list[str]]:
    """What the guard did with a run that drives ckdn-s up without bound, and with a recommended one; also Markdown."""
    found: dict[str, object] = {}
    text: list[str] = []
    for name in (HACKED, GUARDED):
        found[name], shown = guard_of(task, name, given)
        text += [f"### {name}", "", *shown]
    return found, text


def guard_of(task: str, name: str, given: argparse.Namespace) -> tuple[dict[str, object], list[str]]:
    """The validations of a run and what the guard said of them, and both as Markdown."""
    network_of(task, name, given)
    log = trained_file(task, name, given).parents[1] / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    seen = [line for line in lines if line["kind"] == "val"]
    said = [line["message"] for line in lines if line["kind"] == "guard"]
    text = ["| iteration | ckdn-s (optimised) | gmsd, lower is better | psnr |", "|---|---|---|---|"]
    for line in seen:
        mean = line["mean"]
        text.append(f"| {line['iter']} | {mean['ckdn']:.3f} | {mean['gmsd']:.4f} | {mean['psnr']:.2f} |")
    said_or_not = [f"> {message}" for message in said] or ["The guard said nothing."]
    return {"validations": seen, "guard": said}, [*text, "", *said_or_not, ""]


def main(given: argparse.Namespace) -> None:
    """Train, judge, write."""
    torch.manual_seed(0)
    given.out.mkdir(parents=True, exist_ok=True)
    text = ["# What a quality term does to restored pictures", "", __doc__.split("\n\n")[2].replace("\n", " "), ""]
    document = {**provenance(), "iterations": given.iterations, "tasks": {}}
    command = "python benchmarks/restoration_gain.py --train pristine/train --test pristine/test --out FOLDER"
    counted = " and ".join(str(len(list_images(folder))) for folder in (given.train, given.test))
    text.append(
        f"`{command} --iterations {given.iterations}` ({counted} photographs), {document['date']}, commit "
        f"{document['commit']}, {document['hardware']}; {given.iterations} iterations each, after as many of L1."
    )
    pictures = []
    for task in TASKS:
        network_of(task, START, given)
        networks = {name: network_of(task, name, given) for name in losses(given.train)}
        with torch.inference_mode():
            scores = judge(task, given, networks)
            pictures.append(draw(task, given, networks))
        gained = gains(scores)
        document["tasks"][task] = {"scores": scores, "gains": gained}
        text += ["", f"## {task}: gain over L1, {len(scores[L1]['psnr'])} photographs", "", table_of(gained, scores)]
    document["guard"], shown = guarded(next(iter(TASKS)), given)
    text += ["", LEGEND, "", "## The guard", "", *shown]
    text += ["", "![Input, each loss in the order of the table, clean](restoration_gain.webp)", ""]
    with whole(RESULTS / "restoration_gain.json") as path:
        path.write_text(json.dumps(document, indent=1))
    with whole(RESULTS / "restoration_gain.md") as path:
        path.write_text("\n".join(text))
    tall = np.vstack([np.asarray(picture) for picture in pictures])
    with whole(RESULTS / "restoration_gain.webp") as path:
        Image.fromarray(tall).save(path, "webp", quality=88)
    print("\n".join(text))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--iterations", type=int, default=600)
    parser.add_argument("--side", type=int, default=384)
    main(parser.parse_args())
