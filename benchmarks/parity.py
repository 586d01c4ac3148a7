"""How far the networks are from the authors' released ones: the largest difference of every golden value.

python benchmarks/parity.py
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from golden import GOLDEN, image, released_weights

from ir_quality_plugin import CKDN, CVRKD, TeacherIQAStudent
from ir_quality_plugin.checkpoints.remap import from_release


def released(network: torch.nn.Module, method: str) -> torch.nn.Module:
    """Load golden weights through the released names."""
    network.load_state_dict(from_release(method, released_weights(method), network.state_dict()))
    return network.eval()


def report(name: str, tensor: Tensor, entry: dict | list) -> None:
    """Print the largest difference over the largest value."""
    flat = tensor.detach().flatten().double()
    if isinstance(entry, dict):
        difference = max(abs(flat[int(index)] - value) for index, value in entry["at"].items()) / entry["abs_max"]
    else:
        expected = torch.tensor(entry, dtype=torch.float64)
        difference = (flat - expected).abs().max() / expected.abs().max()
    print(f"{name:40} {difference:.1e}")


def main() -> None:
    """Run the three networks on their golden inputs."""
    values = GOLDEN["teacheriqa"]
    patches = image(0, 2, 3, 224, 224).requires_grad_()
    student = released(TeacherIQAStudent(), "teacheriqa")
    output = student(patches, restore=True)
    output.score.sum().backward()
    report("teacheriqa score", output.score, values["score"])
    report("teacheriqa restored", output.restored, values["restored"])
    for tensor, name in zip(student.teacher.understand(patches)[0], ("bottom", "mc1", "mc2", "mc3"), strict=True):
        report(f"teacheriqa {name}", tensor, values[name])
    report("teacheriqa input gradient", patches.grad, values["grad_of_score_sum"])

    values = GOLDEN["ckdn"]
    images = ((image(1, 2, 12, 288, 288) - 0.5) / 0.25).requires_grad_()
    restored, degraded, rival, pristine = images.split(3, dim=1)
    branches = released(CKDN(), "ckdn")(restored, degraded, pristine, rival)
    branches.degraded_reference.score.sum().backward()
    columns = [*(branch.score for branch in branches[:3]), branches.alignment]
    for name, tensor, expected in zip(values["columns"], columns, zip(*values["out"], strict=True), strict=True):
        report(f"ckdn {name}", tensor, list(expected))
    report("ckdn input gradient", images.grad[:, :6], values["grad_of_dr_sum"])

    values = GOLDEN["cvrkd"]
    restored = ((image(2, 2, 10, 3, 224, 224) - 0.5) / 0.25).requires_grad_()
    output = released(CVRKD(), "cvrkd")(restored, (image(3, 2, 10, 3, 224, 224) - 0.5) / 0.25)
    output.score.sum().backward()
    report("cvrkd score", output.score, values["score"])
    for block, (tensor, entry) in enumerate(zip(output.difference_blocks, values["diff_inner"], strict=True)):
        report(f"cvrkd difference block {block}", tensor, entry)
    for block, (tensor, entry) in enumerate(zip(output.quality_blocks, values["lq_inner"][2:], strict=True)):
        report(f"cvrkd quality block {block}", tensor, entry)
    report("cvrkd input gradient", restored.grad, values["grad_of_score_sum"])


if __name__ == "__main__":
    main()
