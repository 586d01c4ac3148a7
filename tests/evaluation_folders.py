"""Folders of small images for the tests of `irq evaluate`, calls that evaluate them, and a metric of any function."""

import sys

import numpy as np
import torch
from PIL import Image

from ir_quality_plugin.integrations.metric import Metric

METHODS = ("sharp", "soft")


class Called(Metric):
    """A metric of one's own: from a restored image and what it is judged against to a number."""

    def __init__(self, call=lambda restored, guide: 0.5, needs=None, name="m", higher_is_better=True, **more):
        super().__init__(name, "a test", needs, higher_is_better, **more)
        self.call = call

    def _score(self, restored, guide):
        return torch.tensor([self.call(restored, guide)], dtype=torch.float64)


def write_folders(root, images=6, side=64):
    """Degraded, reference, and two methods of `images` images; `sharp` is nearer to the reference."""
    draw = np.random.RandomState(0)
    for index in range(images):
        small = Image.fromarray(draw.randint(0, 256, (side // 4, side // 4, 3), dtype=np.uint8))
        clean = small.resize((side, side), Image.Resampling.LANCZOS)
        restored = {
            "degraded": small,
            "reference": clean,
            "sharp": noisy(clean, 4, draw),
            "soft": noisy(small.resize((side, side), Image.Resampling.BILINEAR), 12, draw),
        }
        for folder, image in restored.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            image.save(root / folder / f"im_{index:03d}{'_x4' if folder == 'soft' else ''}.png")
    return root


def noisy(image, spread, draw):
    pixels = np.asarray(image, dtype=float)
    return Image.fromarray((pixels + draw.normal(0, spread, pixels.shape)).clip(0, 255).astype(np.uint8))


def arguments(root, out, *more, metrics=("--scorer", "ckdn-s")):
    """What stands behind `irq evaluate`."""
    methods = [word for name in METHODS for word in ("--restored", f"{name}={root / name}")]
    return ["--degraded", root / "degraded", *methods, *metrics, "--out", out, *more]


def command(root, out, *more, processes=0, code=None, **options):
    """The command line in a process of its own, under torchrun, or of code that ends in `main()`."""
    launch = ["-c", code] if code else ["-m", "ir_quality_plugin"]
    if processes:
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), *launch]
    return [sys.executable, *launch, "evaluate", *map(str, arguments(root, out, *more, **options))]
