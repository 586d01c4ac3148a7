"""How often tests of the difference between two metrics' SRCCs see one: where there is none (the level), and where.

python benchmarks/paired_tests.py

Made scores and opinions; nothing is read. Two metrics are opinions plus error, of which they share half. The package's
test swaps ranks; beside it stand the normal approximation with the bootstrap's standard error, and Williams's t on
ranks (J. R. Statist. Soc. B 21, 1959). Writes results/paired_tests.json beside this file, with date, hardware and
commit.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from agreement import circumstances
from scipy import stats

from ir_quality_plugin.checkpoints.write import whole
from ir_quality_plugin.metrics.correlation import srcc
from ir_quality_plugin.metrics.swapping import swap_test

RESULTS = Path(__file__).parent / "results"
IMAGES = (10, 20, 50, 200)
LEVEL = 0.05
# Error of the first metric, of the second, and whether the first's grows with the opinion's distance from the middle.
CASES = {
    "equal, SRCC .8": (0.75, 0.75, False),
    "equal, SRCC .35": (2.5, 2.5, False),
    "equal, SRCC .95": (0.3, 0.3, False),
    "equal, opinions tied": (0.75, 0.75, False),
    "equal, errors of another form": (0.868, 0.75, True),
    "SRCC .8 and .6": (0.75, 1.25, False),
    "SRCC .8 and .4": (0.75, 2.25, False),
}


def made(case: str, images: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of two metrics, and opinions, (N,) each."""
    first, second, uneven = CASES[case]
    mos, shared, one, other = draw.normal(size=(4, images))
    errors = [0.7 * shared + np.sqrt(1 - 0.49) * own for own in (one, other)]
    scores = (mos + first * errors[0] * (np.abs(mos) if uneven else 1), mos + second * errors[1])
    return *scores, np.round(1.2 * mos) if "tied" in case else mos


def swaps(one: np.ndarray, other: np.ndarray, mos: np.ndarray, draw: np.random.Generator) -> float:
    """The package's test."""
    return swap_test({"one": one, "other": other}, mos, [""] * len(mos), seed=int(draw.integers(2**31)))[0].p


def bootstrap(one: np.ndarray, other: np.ndarray, mos: np.ndarray, draw: np.random.Generator) -> float:
    """The normal approximation with the bootstrap's standard error, of 200 resamples."""
    chosen = draw.integers(0, len(mos), (200, len(mos)))
    people, *ranks = (stats.rankdata(values[chosen], axis=1) for values in (mos, one, other))
    drawn = [_pearson(values, people) for values in ranks]
    spread = np.nanstd(drawn[0] - drawn[1], ddof=1)
    return float(2 * stats.norm.sf(abs(srcc(one, mos) - srcc(other, mos)) / spread)) if spread > 0 else 1.0


def _pearson(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first, second = (values - values.mean(axis=1, keepdims=True) for values in (first, second))
    with np.errstate(invalid="ignore"):
        return (first * second).sum(axis=1) / np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))


def williams(one: np.ndarray, other: np.ndarray, mos: np.ndarray, _: np.random.Generator) -> float:
    """Williams's t of dependent correlations, on ranks."""
    images = len(mos)
    a, b, c = srcc(one, mos), srcc(other, mos), srcc(one, other)
    determinant = 1 - a * a - b * b - c * c + 2 * a * b * c
    scale = 2 * determinant * (images - 1) / (images - 3) + ((a + b) / 2) ** 2 * (1 - c) ** 3
    if scale <= 0:
        return 1.0
    return float(2 * stats.t.sf(abs(a - b) * np.sqrt((images - 1) * (1 + c) / scale), images - 3))


def main() -> None:
    """Simulate, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=400, help="of each case and number of images")
    repetitions = parser.parse_args().repetitions
    document: dict = {**circumstances(), "repetitions": repetitions, "level": LEVEL, "shares": {}}
    for case in CASES:
        document["shares"][case] = {}
        for images in IMAGES:
            draw = np.random.default_rng(images)
            samples = [made(case, images, draw) for _ in range(repetitions)]
            shares = {
                test.__name__: float(np.mean([test(*sample, draw) <= LEVEL for sample in samples]))
                for test in (swaps, bootstrap, williams)
            }
            document["shares"][case][str(images)] = shares
            print(f"{case:30} {images:4} images", {name: round(share, 3) for name, share in shares.items()}, flush=True)
    with whole(RESULTS / "paired_tests.json") as path:
        path.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
