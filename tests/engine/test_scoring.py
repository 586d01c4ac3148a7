"""The five trainings of the quality methods: they learn, resume, fit what they are given, and end as weights."""

import json
from statistics import fmean

import pytest
import torch
from engine_runs import RECIPES, SHORT, log_of, networks, run
from safetensors import safe_open
from scipy.stats import spearmanr

import ir_quality_plugin as irq
from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.engine.options import read_options
from ir_quality_plugin.metrics.correlation import agreement

TEACHER, STUDENT, CKDN = "../teacher_iqa/smoke_teacher", "../teacher_iqa/smoke_student", "../ckdn/smoke"
CVRKD_TEACHER, CVRKD_STUDENT = "../cvrkd/smoke_teacher", "../cvrkd/smoke_student"
BRIEF = [override for override in SHORT if "save_img" not in override]
PHOTOGRAPHS = RECIPES / "smoke" / "photographs"


def length(iterations):
    return [
        f"train.total_iter={iterations}",
        f"train.scheduler.periods=[{iterations}]",
        f"val.val_freq={iterations}",
        f"logger.save_checkpoint_freq={iterations}",
    ]


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A CVRKD teacher that was trained for a moment: the override that names it."""
    from ir_quality_plugin.integrations.register import register

    register()
    root = tmp_path_factory.mktemp("teacher")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(RECIPES.parent)
        folder, _ = run(CVRKD_TEACHER, root, *length(200))
    return f"path.pretrain_network_t={folder}/models/net_g_best.pth"


@pytest.fixture
def more(request, taught):
    """What a recipe cannot start without."""
    return [taught] if request.node.callspec.params["recipe"] == CVRKD_STUDENT else []


@pytest.mark.slow
def test_the_restoration_teacher_learns(tmp_path):
    folder, _ = run(TEACHER, tmp_path, *length(80), "logger.print_freq=1")
    losses = [entry["l_pix"] for entry in log_of(folder, "train")]
    assert fmean(losses[-15:]) < 0.9 * fmean(losses[:15])


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [TEACHER, STUDENT, CKDN, CVRKD_TEACHER, CVRKD_STUDENT])
def test_each_training_runs_on_two_processes(recipe, more, tmp_path, launch):
    launch(recipe, tmp_path, *BRIEF, *more, processes=2)
    (folder,) = tmp_path.glob("experiments/*")
    assert [entry["iter"] for entry in log_of(folder, "train")] == [1, 2, 3, 4, 5, 6]
    counts = {len(scores) for entry in log_of(folder, "val") for scores in entry["scores"].values()}
    assert counts == {4 if recipe == TEACHER else 8}


@pytest.mark.slow
def test_two_processes_follow_one_with_the_joint_batch(tmp_path, launch):
    # CVRKD alone: its LayerNorms do not care how a batch is parted, the others' BatchNorms do.
    launch(CVRKD_TEACHER, tmp_path / "one", *BRIEF, "datasets.train.batch_size_per_gpu=4")
    launch(CVRKD_TEACHER, tmp_path / "two", *BRIEF, "datasets.train.batch_size_per_gpu=2", processes=2)
    one, two = (next((tmp_path / name).glob("experiments/*")) for name in ("one", "two"))
    for first, second in zip(log_of(one, "train"), log_of(two, "train"), strict=True):
        assert second["l_mos"] == pytest.approx(first["l_mos"], rel=1e-3)
    for first, second in zip(log_of(one, "val"), log_of(two, "val"), strict=True):
        assert second["scores"]["score"] == pytest.approx(first["scores"]["score"], rel=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [STUDENT, CKDN, CVRKD_TEACHER, CVRKD_STUDENT])
def test_each_learns_to_fit_a_handful_of_labelled_photographs(recipe, more, tmp_path):
    # The whole images of one content, so that nothing but the network limits the fit. Two images each share an opinion,
    # so a perfect ranking reaches .976.
    handful = ["datasets.train.part=val", "datasets.train.crop_px=96", "datasets.train.use_hflip=false"]
    whole = {STUDENT: ["network_g.patch_px=96"], CKDN: ["network_g.dropout=0"]}
    options = [*length(200), "logger.print_freq=1", *handful, *whole.get(recipe, []), *more]
    folder, _ = run(recipe, tmp_path, *options)
    losses = [entry["l_mos"] for entry in log_of(folder, "train") if "l_mos" in entry]
    assert fmean(losses[-15:]) < 0.5 * fmean(losses[:15])
    assert log_of(folder, "val")[-1]["mean"]["srcc"] > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [STUDENT, CKDN, CVRKD_STUDENT])
def test_an_interrupted_training_ends_bit_equal(recipe, more, tmp_path):
    whole, _ = run(recipe, tmp_path / "whole", *BRIEF, *more)
    run(recipe, tmp_path / "parted", *BRIEF, "train.total_iter=4", "val.val_freq=3", *more)
    parted, said = run(recipe, tmp_path / "parted", *BRIEF, *more, auto_resume=True)
    assert any("resumed from" in line for line in said)
    one, other = networks(tmp_path / "whole")["net_g_6.pth"], networks(tmp_path / "parted")["net_g_6.pth"]
    assert all(torch.equal(tensor, other["params"][name]) for name, tensor in one["params"].items())
    assert log_of(whole, "val")[-1]["scores"] == log_of(parted, "val")[-1]["scores"]


@pytest.mark.slow
def test_a_taught_student_agrees_with_its_teacher_more_than_an_untaught_one(tmp_path, taught):
    # Both begin as their teacher, which saw the aligned reference; any clean image is theirs.
    start = taught.replace("pretrain_network_t", "pretrain_network_g")
    teacher = scores_of(CVRKD_TEACHER, tmp_path / "teacher", start)
    agreements, distances = {}, {}
    for weight in (0.0, 10.0):
        folder, _ = run(
            CVRKD_STUDENT,
            tmp_path / str(weight),
            *length(150),
            "logger.print_freq=1",
            f"train.opinion_opt.distillation_weight={weight}",
            start,
            taught,
        )
        distances[weight] = fmean(entry["l_distillation"] for entry in log_of(folder, "train")[-20:])
        student = scores_of(
            CVRKD_STUDENT,
            tmp_path / f"seen_{weight}",
            f"path.pretrain_network_g={folder}/models/net_g_latest.pth",
            taught,
        )
        agreements[weight] = spearmanr([teacher[name] for name in student], list(student.values())).statistic
    assert distances[10.0] < 0.5 * distances[0.0], distances
    assert agreements[10.0] > agreements[0.0], agreements


def scores_of(recipe, root, *start):
    """What a network, unchanged, says of the images that it is trained on."""
    still = ["train.optim_g.lr=0", "train.scheduler.eta_min=0", "datasets.val.part=train"]
    folder, _ = run(recipe, root, *length(1), *still, *start)
    return log_of(folder, "val")[-1]["scores"]["score"]


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
def test_the_best_network_is_kept_tested_once_and_written_as_weights_that_load(tmp_path):
    folder, said = run(CKDN, tmp_path, *BRIEF, "val.val_freq=2", "train.total_iter=6")
    validations, tests = log_of(folder, "val"), log_of(folder, "test")
    assert [entry["iter"] for entry in validations] == [2, 4, 6]
    best = max(validations, key=lambda entry: entry["mean"]["srcc"])
    assert any(f"best srcc {best['mean']['srcc']:.4f} at iteration {best['iter']}" in line for line in said)
    (test,) = tests
    assert not set(test["scores"]["score"]) & set(validations[0]["scores"]["score"])

    weights = folder / "models" / "scorer.safetensors"
    scorer = irq.load_scorer("ckdn", weights)
    assert "smoke_ckdn" in scorer.card.origin
    with safe_open(weights, "pt") as file:
        assert set(file.keys()) == set(networks(tmp_path)["net_g_best.pth"]["params"])
    row = json.loads(json.dumps(test["scores"]["score"]))
    for name, score in row.items():
        restored = read_image(PHOTOGRAPHS / name)[None]
        part = "val" if "coffee" in name or "hopper" in name else "train"
        degraded = read_image(PHOTOGRAPHS / part / "x4" / f"{name.split('/')[1][:-6]}.png")[None]
        assert scorer(restored, degraded).item() == pytest.approx(score, abs=1e-5)


@pytest.mark.slow
def test_the_numbers_of_a_validation_are_those_of_its_scores(tmp_path):
    folder, _ = run(CVRKD_TEACHER, tmp_path, *BRIEF)
    entry = log_of(folder, "val")[-1]
    names = sorted(entry["scores"]["score"])
    content = [name.split("/")[1].split("_")[0] for name in names]
    found = agreement([entry["scores"]["score"][n] for n in names], [entry["scores"]["mos"][n] for n in names], content)
    assert entry["mean"]["srcc"] == pytest.approx(found.srcc)
    assert entry["mean"]["rmse"] == pytest.approx(found.rmse)


@pytest.mark.slow
def test_gradient_regularisation_makes_the_gradient_smaller(tmp_path):
    norms = {}
    for weight in (0.0, 0.01):
        options = [*length(120), "logger.print_freq=1", f"train.opinion_opt.gradient_weight={max(weight, 1e-12)}"]
        folder, _ = run(CKDN, tmp_path / str(weight), *options, "train.opinion_opt.preference_iter=0")
        norms[weight] = fmean(entry["gradient_norm"] for entry in log_of(folder, "train")[-20:])
    assert norms[0.01] < 0.5 * norms[0.0], norms


@pytest.mark.parametrize(
    ("recipe", "override", "said"),
    [
        (STUDENT, "train.opinion_opt.type=OpinionLos", "did you mean 'OpinionLoss'"),
        (STUDENT, "train.opinion_opt.gradient_wight=1", "did you mean 'gradient_weight'"),
        (STUDENT, "network_g.type=CKND", "did you mean 'CKDN'"),
        (STUDENT, "network_g.with=3", "did you mean 'width'"),
        (STUDENT, "datasets.train.crop=3", "did you mean 'crop_px'"),
        (STUDENT, "datasets.train.type=PairedImageDataset", "expected QualityDataset for a ScorerModel"),
        (STUDENT, "train.pixel_opt.type=L1Loss", "train.pixel_opt is for restoration models"),
        (STUDENT, "val.best_by=srrc", "did you mean 'srcc'"),
        (STUDENT, "network_t.type=CVRKD", "OpinionLoss has no teacher; expected no network_t"),
        (CVRKD_STUDENT, "path.pretrain_network_t=~", "path.pretrain_network_t is missing"),
        (CVRKD_STUDENT, "network_t=~", "needs teacher; expected network_t and path.pretrain_network_t"),
        (TEACHER, "train.opinion_opt.type=OpinionLoss", "train.opinion_opt is for scorers"),
        (TEACHER, "val.best_by=pnsr", "did you mean 'psnr'"),
    ],
)
def test_a_wrong_file_is_refused_with_the_way_out(recipe, override, said):
    from ir_quality_plugin.engine.kinds import check_all

    with pytest.raises(irq.UsageError, match=said):
        check_all(read_options(RECIPES / "smoke" / f"{recipe}.yml", [override]))


def test_two_things_to_start_from_are_refused(tmp_path):
    with pytest.raises(irq.UsageError, match="path has imagenet and pretrain_teacher; expected one thing"):
        run(STUDENT, tmp_path, "path.imagenet=a.pth", "path.pretrain_teacher=b.pth")
