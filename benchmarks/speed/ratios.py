"""Ratios of the measured figures: to the peer, to the floor, and of outputs to each other."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .floor import least_seconds


def ratio(row: dict[str, Any], precision: str) -> float:
    """How many times the peer's median in float32 is ours in a precision."""
    return row["seconds"]["peer fp32"]["median_s"] / row["seconds"][f"ours {precision}"]["median_s"]


def floor_share(result: dict[str, Any], row: dict[str, Any], precision: str) -> float:
    """The least time that the machine could take for what the row asks, over ours."""
    least = least_seconds(result["floor"]["rates"], row, precision, result["machine"]["device"])
    return least / row["seconds"][f"ours {precision}"]["median_s"]


def reach(result: dict[str, Any], row: dict[str, Any], precision: str) -> float:
    """How many times faster than the peer the machine could be at most."""
    return ratio(row, precision) / floor_share(result, row, precision)


def faster(row: dict[str, Any], precision: str, bold: bool = False) -> str:
    """How many times faster as a cell says it; a gradient with its error, since bf16's is another one."""
    mark = "**" if bold else ""
    said = f"{mark}{ratio(row, precision):.1f}x{mark}"
    if not row.get("gradient"):
        return said
    return f"{said} (gradient off by {row['error'][precision]['relative_l2']:.1%})"


def memory_ratio(result: dict[str, Any], name: str, precision: str, call: str = "first") -> float:
    """Our peak memory over the peer's in float32."""
    peak = result["memory"]
    return peak[f"{name} ours {precision}"][call] / peak[f"{name} peer fp32"][call]


def error(found: Tensor, expected: Tensor) -> dict[str, float]:
    """How far values, or a gradient, are from the expected ones.

    Returns:
        "of_largest", the largest difference over the largest expected value; "relative_l2", the difference's norm over
        the expected one's; "cosine" of the angle between both. In float64, so that nothing small is lost.
    """
    one, other = found.detach().double().flatten(), expected.detach().double().flatten()
    apart = one - other
    return {
        "of_largest": float(apart.abs().max() / other.abs().max()),
        "relative_l2": float(apart.norm() / other.norm()),
        "cosine": float(one @ other / (one.norm() * other.norm())),
    }
