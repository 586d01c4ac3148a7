"""Several processes: the trajectory of one, exact counts, and a NaN that only one of them sees."""

import os
import subprocess

import pytest
from engine_runs import RECIPES, SHORT, SMOKE, command, log_of


@pytest.mark.slow
def test_two_processes_follow_the_trajectory_of_one_with_the_joint_batch(tmp_path, launch):
    overrides = [*SHORT, "train.total_iter=8", "val.val_freq=8"]
    launch("sr_x4_ckdn", tmp_path / "one", *overrides, "datasets.train.batch_size_per_gpu=4")
    launch("sr_x4_ckdn", tmp_path / "two", *overrides, "datasets.train.batch_size_per_gpu=2", processes=2)
    one, two = (next((tmp_path / name).glob("experiments/*")) for name in ("one", "two"))
    for first, second in zip(log_of(one, "train"), log_of(two, "train"), strict=True):
        for name in ("l_pix", "l_fidelity", "quality_score", "quality_factor"):
            # Sums of single precision in another order; Adam amplifies what is left of it.
            assert second[name] == pytest.approx(first[name], rel=1e-3), (first["iter"], name)
    (counted_by_one,), (counted_by_two,) = log_of(one, "val"), log_of(two, "val")
    assert counted_by_two["scores"].keys() == counted_by_one["scores"].keys()
    for metric, scores in counted_by_one["scores"].items():
        assert counted_by_two["scores"][metric] == pytest.approx(scores, rel=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_every_validation_image_counts_once_for_any_number_of_processes(processes, tmp_path, launch):
    launch("sr_x4_l1", tmp_path, *SHORT, "train.total_iter=1", processes=processes)
    (entry,) = log_of(next(tmp_path.glob("experiments/*")), "val")
    assert {len(scores) for scores in entry["scores"].values()} == {4}  # 4 images do not divide by 3


@pytest.mark.slow
def test_a_resume_on_another_number_of_processes_is_refused_with_the_way_out(tmp_path, launch):
    launch("sr_x4_l1", tmp_path, *SHORT, "train.total_iter=2")
    printed = launch("sr_x4_l1", tmp_path, *SHORT, processes=2, more=["--auto_resume"], code=1)
    assert "was written by 1 processes, this run has 2" in printed
    assert "path.pretrain_network_g" in printed


BROKEN_ON_ONE = """
import os, torch
from basicsr.utils.registry import ARCH_REGISTRY

@ARCH_REGISTRY.register()
class OftenNaN(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.enlarge = torch.nn.Sequential(torch.nn.Conv2d(3, 48, 3, 1, 1), torch.nn.PixelShuffle(4))
        self.calls = 0
    def forward(self, degraded):
        self.calls += self.training
        broken = self.training and self.calls == 2 and os.environ.get("RANK") == "1"
        return self.enlarge(degraded) * (torch.nan if broken else 1.0)
"""


@pytest.mark.slow
def test_nan_on_one_of_two_processes_skips_the_step_on_both_and_nobody_waits(tmp_path):
    (tmp_path / "broken_on_one.py").write_text(BROKEN_ON_ONE)
    overrides = [*SHORT, "network_g={type: OftenNaN}", "train.ema_decay=0"]
    line = command(SMOKE / "sr_x4_ckdn.yml", tmp_path, *overrides, processes=2, more=["--import", "broken_on_one"])
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    finished = subprocess.run(line, cwd=RECIPES.parent, capture_output=True, text=True, env=environment, timeout=120)
    assert finished.returncode == 0, finished.stderr[-3000:]
    entries = log_of(next(tmp_path.glob("experiments/*")), "train")
    assert [entry["skipped"] for entry in entries] == [0, 1, 1, 1, 1, 1]
    assert "l_quality" in entries[0] and "l_quality" not in entries[1]
