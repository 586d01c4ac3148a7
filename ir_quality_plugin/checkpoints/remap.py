"""The authors' released parameter names, mapped to ours: complete, shapes checked, nothing permissive."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from ..errors import CheckpointError

# Wrappers that training scripts leave around the names, stripped from the whole file.
PREFIXES = ("module.", "net.", "model.")


@dataclass(frozen=True)
class Layout:
    """How a release names its parameters.

    Args:
        renames: pairs (pattern, ours): a regular expression that matches the beginning of a released name up to a dot,
            and what stands there in our network; the first match counts.
        unused: patterns of released parameters that the released forward never reads.
        recognised_by: names by which a file shows that it is this release.
    """

    renames: tuple[tuple[str, str], ...]
    unused: tuple[str, ...] = ()
    recognised_by: tuple[str, ...] = ()

    def rename(self, released: str) -> str | None:
        """Give our name of a released parameter; None where it has no place."""
        for pattern, ours in self.renames:
            renamed, count = re.subn(rf"^{pattern}(?=\.|$)", ours, released)
            if count:
                return renamed
        return None

    def is_unused(self, released: str) -> bool:
        """Tell whether the released network holds this parameter without ever reading it."""
        return any(re.match(pattern, released) for pattern in self.unused)


def _inception_conv(released: str, ours: str) -> tuple[tuple[str, str], ...]:
    return (
        (rf"{released}\.inception\.0\.p1\.0", f"{ours}.0.point"),
        (rf"{released}\.inception\.0\.p2", f"{ours}.0.wide"),
        (rf"{released}\.inception\.0\.p3", f"{ours}.0.near"),
        (rf"{released}\.inception\.0\.p4", f"{ours}.0.pool"),
        (rf"{released}\.inception\.1", f"{ours}.1"),
        (rf"{released}\.tripleConv\.0\.TripleConv", f"{ours}.3"),
        (rf"{released}\.tripleConv\.1", f"{ours}.4"),
    )


def _up(step: int, scale: int) -> tuple[tuple[str, str], ...]:
    ours = f"teacher.up{scale}"
    return (rf"tn\.up{step}", f"{ours}.up"), *_inception_conv(rf"tn\.upMC{step}\.MCConv", f"{ours}.fuse")


def _attention(step: int, scale: int) -> tuple[tuple[str, str], ...]:
    released, ours = rf"enc{step}\.KI", f"aggregate{scale}"
    return (
        (rf"{released}\.gamma", f"{ours}.gamma"),
        (rf"{released}\.qConv", f"{ours}.query"),
        (rf"{released}\.kConv", f"{ours}.key"),
        (rf"{released}\.vConv", f"{ours}.value"),
    )


def _mixer(released: str, ours: str, depth: int) -> tuple[tuple[str, str], ...]:
    renames = [(rf"{released}\.mlp\.1", f"{ours}.embed"), (rf"{released}\.mlp\.{depth + 2}", f"{ours}.norm")]
    for block in range(depth):
        theirs = rf"{released}\.mlp\.{block + 2}"
        for index, part in enumerate(("token", "channel")):
            renames += [
                (rf"{theirs}\.{index}\.norm", f"{ours}.blocks.{block}.{part}_norm"),
                (rf"{theirs}\.{index}\.fn\.0", f"{ours}.blocks.{block}.{part}_mlp.0"),
                (rf"{theirs}\.{index}\.fn\.3", f"{ours}.blocks.{block}.{part}_mlp.2"),
            ]
    return tuple(renames)


TEACHER_IQA = Layout(
    renames=(
        (r"tn\.resNet", "teacher.encoder"),
        *_inception_conv(r"tn\.bottom", "teacher.bottom"),
        *_up(1, 16),
        *_up(2, 8),
        *_up(3, 4),
        *_up(4, 2),
        (r"tn\.up5", "teacher.up1"),
        (r"tn\.out", "teacher.out"),
        (r"bottomConv", "distil_bottom"),
        (r"upMC1Conv", "distil16.0"),
        (r"upMC2Conv", "distil8.0"),
        (r"upMC3Conv", "distil4.0"),
        *_attention(1, 16),
        *_attention(2, 8),
        *_attention(3, 4),
        (r"iqaScore\.8", "score"),
        (r"iqaScore", "head"),
    ),
    recognised_by=("tn.up1.weight", "iqaScore.0.weight"),
)

CKDN = Layout(
    renames=(
        ("qse_1", "quality_encoder.conv"),
        ("qse_2", "quality_encoder.stage"),
        ("dte_1", "degradation_encoder.conv"),
        ("dte_2", "degradation_encoder.stage"),
        ("csp", "predictor.stage"),
        ("fc_", "predictor.mlp"),
        ("aux_csp", "preference_predictor.stage"),
        ("fc1_", "preference_predictor.mlp"),
    ),
    recognised_by=("qse_1.weight", "dte_1.weight"),
)

CVRKD = Layout(
    renames=(
        (r"feature_extractor\.(conv1|bn1|layer\d)", r"backbone.\1"),
        *((rf"lda{stage}_process\.0", f"local_distortion.narrow.{stage - 1}") for stage in range(1, 5)),
        *_mixer("MLP_encoder_lq", "quality_encoder", 9),
        *_mixer("MLP_encoder_diff", "difference_encoder", 18),
        (r"regressor\.l1", "regressor.0"),
        (r"regressor\.l2", "regressor.1"),
    ),
    unused=(r"feature_extractor\.lda\d_(pool|fc)\.", r"regressor\.(relu1|bn1)\."),
    recognised_by=("MLP_encoder_diff.mlp.1.weight", "lda1_process.0.weight"),
)

LAYOUTS = {"teacheriqa": TEACHER_IQA, "ckdn": CKDN, "cvrkd": CVRKD}


def strip_wrapping(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take off the prefixes that data-parallel training and wrapper classes leave on every name."""
    stripped = dict(weights)
    for _ in PREFIXES:
        for prefix in PREFIXES:
            if stripped and all(name.startswith(prefix) for name in stripped):
                stripped = {name.removeprefix(prefix): tensor for name, tensor in stripped.items()}
    return stripped


def recognise(names: Iterable[str]) -> str | None:
    """Name the method whose release holds these parameter names; None where it is none of the three."""
    present = set(names)
    for method, layout in LAYOUTS.items():
        if present.issuperset(layout.recognised_by):
            return method
    return None


def from_release(method: str, released: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a released state dict to ours, complete.

    Args:
        method: "teacheriqa", "ckdn" or "cvrkd".
        released: the released names and tensors, wrapping stripped.
        expected: the state dict of our network, for names and shapes.

    Returns:
        A state dict with exactly the names of `expected`.

    Raises:
        CheckpointError: lists every released name without a place, every parameter left empty or filled twice, and
            every shape that differs.
    """
    layout = LAYOUTS[method]
    placed: dict[str, Tensor] = {}
    problems: list[str] = []
    for name, tensor in released.items():
        if layout.is_unused(name):
            continue
        ours = layout.rename(name)
        if ours is None or ours not in expected:
            problems.append(f"no place for {name} {tuple(tensor.shape)}")
        elif ours in placed:
            problems.append(f"{name} would fill {ours} a second time")
        else:
            placed[ours] = tensor
    raise_unless_complete(placed, expected, problems, f"the file is no complete release of {method}")
    return placed


def raise_unless_complete(
    weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], problems: list[str], summary: str
) -> None:
    """Compare names and shapes with a network's, and raise one error that lists all that differs.

    Raises:
        CheckpointError: where anything is missing, unknown, of another shape, or `problems` were found before.
    """
    if weights and not problems and not set(weights) & set(expected):
        names = ", ".join(list(weights)[:4])
        raise CheckpointError(
            f"{summary}: it is another model's, none of its {len(weights)} names is known here ({names}, ...); "
            f"expected {', '.join(list(expected)[:3])}, ...; name the scorer that it belongs to, or another file"
        )
    problems = problems + [f"{name} is missing" for name in expected if name not in weights]
    for name, tensor in weights.items():
        if name not in expected:
            problems.append(f"{name} {tuple(tensor.shape)} is unknown to the network")
        elif tensor.is_floating_point() != expected[name].is_floating_point():
            problems.append(f"{name} is {tensor.dtype}; expected {expected[name].dtype}")
        elif name.endswith("running_var") and bool((tensor < 0).any()):
            problems.append(f"{name} has negative variances")
        elif tensor.shape != expected[name].shape:
            problems.append(f"{name} has shape {tuple(tensor.shape)}; expected {tuple(expected[name].shape)}")
    if problems:
        shown = "\n  ".join(problems[:12])
        more = f"\n  and {len(problems) - 12} more" if len(problems) > 12 else ""
        raise CheckpointError(f"{summary}; {len(problems)} entries do not fit:\n  {shown}{more}")
