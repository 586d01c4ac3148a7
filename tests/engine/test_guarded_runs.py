"""The guard on real runs: one that games its scorer, and a healthy one."""

import pytest
from engine_runs import equal, log_of, networks, run

import ir_quality_plugin as irq

GAMED = ["train.pixel_opt.loss_weight=1e-6", "train.quality_opt.balance=1e6", "train.total_iter=60", "val.val_freq=10"]


def guarded(action):
    return f"train.guard={{optimised: ckdn, metrics: [ssim, psnr], action: {action}}}"


@pytest.mark.slow
def test_the_guard_stops_a_run_that_games_its_scorer_and_says_why(tmp_path):
    folder, said = run("sr_x4_ckdn", tmp_path, *GAMED, guarded("stop"))
    (fired,) = log_of(folder, "guard")
    last = log_of(folder, "val")[-1]
    assert fired["iter"] == last["iter"] < 60
    assert any(line.startswith(f"the guard at iteration {last['iter']}: since iteration 10") for line in said)
    assert (folder / "models" / f"net_g_{last['iter']}.pth").is_file()


@pytest.mark.slow
def test_the_guard_returns_to_the_best_state_if_asked(tmp_path):
    _folder, said = run("sr_x4_ckdn", tmp_path, *GAMED, guarded("restore_best"), "logger.save_checkpoint_freq=10")
    saved = networks(tmp_path)
    assert equal(saved["net_g_latest.pth"], saved["net_g_10.pth"])
    assert any("returned to iteration 10" in line for line in said)


@pytest.mark.slow
def test_the_guard_warns_and_lets_the_run_go_on(tmp_path):
    # A random scorer rises at every validation; the shipped one does not.
    random = ["train.quality_opt.weights=random", "val.metrics.ckdn.weights=random"]
    folder, _ = run("sr_x4_ckdn", tmp_path, *GAMED, *random, guarded("warn"), "train.total_iter=30")
    assert [entry["iter"] for entry in log_of(folder, "guard")] == [20, 30]
    assert (folder / "models" / "net_g_30.pth").is_file()


@pytest.mark.slow
def test_the_guard_is_silent_on_a_healthy_run(tmp_path):
    folder, _ = run("sr_x4_ckdn", tmp_path, guarded("stop"), "train.total_iter=60", "val.val_freq=10")
    assert log_of(folder, "guard") == []
    assert log_of(folder, "val")[-1]["iter"] == 60


@pytest.mark.slow
def test_a_run_that_the_guard_stopped_does_not_go_on_by_itself(tmp_path):
    run("sr_x4_ckdn", tmp_path, *GAMED, guarded("stop"))
    with pytest.raises(irq.UsageError, match=r"this run was stopped .*to go on: train\.guard\.action=warn"):
        run("sr_x4_ckdn", tmp_path, *GAMED, guarded("stop"), auto_resume=True)
