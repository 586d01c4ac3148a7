"""The table of restoration_gain.py: what each loss gained over L1, by each judge."""

import numpy as np

from ir_quality_plugin.metrics.intervals import mean_interval

L1 = "L1"
OURS = ("ckdn-s", "teacheriqa-s", "cvrkd-s")
# Judges that a loss optimised, or that share weights, labels or formula with it. Our scorers started from one another.
KIN = {
    "ckdn-s": OURS, "teacheriqa-s": OURS, "cvrkd-s": OURS, "teacher features": OURS,
    "ssim": ("ssim", "ms_ssim"), "vsi": ("vsi", "fsim"),
}  # fmt: skip
LEGEND = (
    "Bold: the 95 % interval of the gain over photographs lies above 0; struck: below; in brackets: judges that were "
    "optimised, or are kin to what was (our three scorers started from one another, and from the teacher). Each "
    "interval stands by itself, so that one cell in twenty is marked by chance, and every loss was trained once: what "
    "a second training would change is in none. Lower is better for gmsd and niqe; their gains are in the direction "
    "of better. fsim and vsi labelled the made pictures that our scorers learnt from; psnr, ssim, ms_ssim, gmsd and "
    "niqe had no part in them. cvrkd-s is shown another clean photograph. agreement.md says which judge agrees with "
    "people."
)


def gains(scores: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, dict[str, float]]]:
    """Mean gain over L1 of each loss by each metric, with its interval."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, by_metric in scores.items():
        for metric, own in by_metric.items():
            gain = np.array(own) - np.array(scores[L1][metric])
            low, high = mean_interval(gain)
            found.setdefault(name, {})[metric] = {"gain": float(gain.mean()), "low": low, "high": high}
    return found


def table_of(gained: dict[str, dict[str, dict[str, float]]], scores: dict[str, dict[str, list[float]]]) -> str:
    """Markdown: the means of L1, and below them the gains of the others."""
    metrics = list(scores[L1])
    lines = ["| loss | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
    lines.append("| L1, the mean | " + " | ".join(f"{abs(np.mean(scores[L1][name])):.3f}" for name in metrics) + " |")
    for name, by_metric in gained.items():
        if name != L1:
            lines.append(
                f"| {name} | " + " | ".join(cell(name, metric, by_metric[metric]) for metric in metrics) + " |"
            )
    return "\n".join(lines)


def cell(loss: str, metric: str, gain: dict[str, float]) -> str:
    """A gain: bold where its interval lies above 0, struck where below, in brackets where the judge is kin."""
    text = f"{gain['gain']:+.4f}" if metric != "psnr" else f"{gain['gain']:+.2f}"
    if any(part in loss and metric in judges for part, judges in KIN.items()):
        return f"({text})"
    if gain["low"] > 0:
        return f"**{text}**"
    return f"~~{text}~~" if gain["high"] < 0 else text
