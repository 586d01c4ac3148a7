"""What the training of a scorer begins with: a teacher of its own run, and what ships."""

import pytest
import torch
from engine_runs import SHORT, networks, run

from ir_quality_plugin.catalog import find_weights
from ir_quality_plugin.checkpoints.read import read_weights

TEACHER, STUDENT, CKDN = "../teacher_iqa/smoke_teacher", "../teacher_iqa/smoke_student", "../ckdn/smoke"
BRIEF = [override for override in SHORT if "save_img" not in override]
ONCE = [f"{key}={value}" for key, value in {
    "train.total_iter": 1, "train.scheduler.periods": [1], "val.val_freq": 1, "logger.save_checkpoint_freq": 1,
}.items()]  # fmt: skip


@pytest.mark.slow
def test_a_student_begins_with_its_teachers_knowledge(tmp_path):
    teacher, _ = run(TEACHER, tmp_path, *BRIEF)
    start = f"path.pretrain_teacher={teacher}/models/net_g_latest.pth"
    run(STUDENT, tmp_path / "student", *BRIEF, "train.optim_g.lr=0", "train.scheduler.eta_min=0", start)
    state = networks(tmp_path / "student")["net_g_latest.pth"]["params"]
    source = networks(tmp_path)["net_g_latest.pth"]["params_ema"]
    weights = [name for name in source if name.endswith("weight")]
    assert all(torch.equal(state[f"teacher.{name}"], source[name]) for name in weights)


@pytest.mark.slow
def test_a_scorer_begins_with_shipped_weights_by_their_name(tmp_path):
    shipped = {name: read_weights(find_weights(name)).tensors for name in ("ckdn-s", "teacheriqa-s")}
    still = ["train.optim_g.lr=0", "train.scheduler.eta_min=0", "train.opinion_opt.preference_iter=0", *ONCE]
    sizes = "network_g={type: CKDN, stem_width: 32, planes: [16, 32], depths: [2, 2], hidden: 256, dropout: 0.2}"
    started = {}
    for key, name in (("pretrain_network_g", "ckdn-s"), ("pretrain_teacher", "teacheriqa-s")):
        run(CKDN, tmp_path / key, *still, sizes, f"path.{key}={name}")
        started[key] = networks(tmp_path / key)["net_g_latest.pth"]["params"]
    stage, encoder = "predictor.stage.0.conv3.weight", "quality_encoder.conv.weight"
    assert torch.equal(started["pretrain_network_g"][stage], shipped["ckdn-s"][stage].float())
    assert torch.equal(
        started["pretrain_teacher"][encoder], shipped["teacheriqa-s"]["teacher.encoder.conv1.weight"].float()
    )
