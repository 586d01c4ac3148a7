"""The five trainings of the quality methods: they learn, resume, fit what they are given, and end as weights."""

import csv
from statistics import fmean

import pytest
import torch
from engine_runs import RECIPES, SHORT, equal, log_of, networks, run
from PIL import Image
from safetensors import safe_open
from scipy.stats import spearmanr

import ir_quality_plugin as irq
from ir_quality_plugin.data.images import read_image
from ir_quality_plugin.engine.options import read_options
from ir_quality_plugin.metrics.correlation import agreement

TEACHER, STUDENT, CKDN = "../teacher_iqa/smoke_teacher", "../teacher_iqa/smoke_student", "../ckdn/smoke"
CVRKD_TEACHER, CVRKD_STUDENT = "../cvrkd/smoke_teacher", "../cvrkd/smoke_student"
# CKDN changes its phase in the middle of the shortest run.
PHASES = {CKDN: ["train.opinion_opt.preference_iter=2"]}
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
    # Two halves of one content's eight images, so that the losses of single steps can be compared.
    learn = [*length(80), "logger.print_freq=1", "datasets.train.batch_size_per_gpu=4"]
    learn += [] if recipe == TEACHER else ["datasets.train.part=val", "datasets.val.part=val"]
    launch(recipe, tmp_path, *learn, *more, *PHASES.get(recipe, []), processes=2)
    (folder,) = tmp_path.glob("experiments/*")
    entries = log_of(folder, "train")
    assert [entry["iter"] for entry in entries] == list(range(1, 81))
    assert ("l_preference" in entries[0]) == (recipe == CKDN)
    losses = [entry["l_pix" if recipe == TEACHER else "l_mos"] for entry in entries[2:]]
    assert fmean(losses[-12:]) < fmean(losses[:12])
    counts = {len(scores) for entry in log_of(folder, "val") for scores in entry["scores"].values()}
    assert counts == {4 if recipe == TEACHER else 8}


@pytest.mark.slow
def test_two_processes_judge_the_network_that_is_saved(tmp_path, launch):
    # Batch statistics differ between processes while they train: those of the first are the ones that count.
    launch(CKDN, tmp_path, *BRIEF, *PHASES[CKDN], "val.val_freq=6", "datasets.train.batch_size_per_gpu=4", processes=2)
    (folder,) = tmp_path.glob("experiments/*")
    scorer = irq.load_scorer("ckdn", folder / "models" / "scorer.safetensors")
    for kind in ("val", "test"):
        (entry,) = log_of(folder, kind)
        assert rescored(scorer, entry) == pytest.approx(entry["scores"]["score"], abs=1e-5)


def rescored(scorer, entry):
    """The scores of the images of a log's entry, by a scorer of the degraded input."""
    found = {}
    for name in entry["scores"]["score"]:
        part = "val" if "coffee" in name or "hopper" in name else "train"
        degraded = read_image(PHOTOGRAPHS / part / "x4" / f"{name.split('/')[1][:-6]}.png")[None]
        found[name] = scorer(read_image(PHOTOGRAPHS / name)[None], degraded).item()
    return found


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
@pytest.mark.parametrize("recipe", [STUDENT, CKDN, CVRKD_TEACHER, CVRKD_STUDENT])
def test_each_fits_a_handful_of_images_that_people_judged(recipe, more, tmp_path, people):
    whole = {STUDENT: ["network_g.patch_px=96"], CKDN: ["network_g.dropout=0"]}
    sets = [f"datasets.{part}.dataroot={people}" for part in ("train", "val", "test")]
    sets += [f"datasets.{part}.split=~" for part in ("train", "val", "test")]
    sets += [f"datasets.{part}.part=train" for part in ("train", "val", "test")]
    sets += ["datasets.train.crop_px=96", "datasets.train.use_hflip=false"]
    sets += ["train.opinion_opt.preference_iter=0"] if recipe == CKDN else []  # no two of them have one input
    # The teacher never saw these: its features are to say little here.
    sets += ["train.opinion_opt.distillation_weight=0.001"] if recipe == CVRKD_STUDENT else []
    steps = 1000 if recipe == CVRKD_STUDENT else 400  # its reference is another one at every step
    folder, _ = run(recipe, tmp_path, *length(steps), *sets, *whole.get(recipe, []), *more)
    assert log_of(folder, "val")[-1]["mean"]["srcc"] > 0.95


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """The middles of ten super-resolved images with scores that people gave them, as a table."""
    source = RECIPES.parents[1] / "shared" / "data" / "human" / "sr4kiqa"
    if not (source / "scores.csv").is_file():
        pytest.skip("no ../shared/data/human/sr4kiqa")
    folder = tmp_path_factory.mktemp("people")
    with (source / "scores.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["reference"]]
    chosen = sorted(rows, key=lambda row: float(row["mos"]))[:: len(rows) // 10][:10]
    lines = ["image,reference,degraded,mos,content"]
    for number, row in enumerate(chosen):
        for name, path in (("image", row["image"]), ("reference", row["reference"])):
            whole = Image.open(source / path).convert("RGB")
            left, top = (whole.width - 96) // 2, (whole.height - 96) // 2
            middle = whole.crop((left, top, left + 96, top + 96))
            middle.save(folder / f"{name}_{number}.png")
        middle.resize((24, 24), Image.Resampling.BICUBIC).save(folder / f"degraded_{number}.png")
        lines.append(f"image_{number}.png,reference_{number}.png,degraded_{number}.png,{row['mos']},all")
    (folder / "judged.csv").write_text("\n".join(lines))
    return folder / "judged.csv"


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [STUDENT, CKDN, CVRKD_STUDENT])
def test_an_interrupted_training_ends_bit_equal(recipe, more, tmp_path):
    options = [*BRIEF, *more, *PHASES.get(recipe, []), "train.ema_decay=0.5"]
    whole, _ = run(recipe, tmp_path / "whole", *options)
    run(recipe, tmp_path / "parted", *options, "train.total_iter=4", "val.val_freq=3")
    parted, said = run(recipe, tmp_path / "parted", *options, auto_resume=True)
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
def test_the_best_network_is_kept_tested_once_and_written_as_weights_that_load(tmp_path):
    folder, said = run(CKDN, tmp_path, *BRIEF, *PHASES[CKDN], "val.val_freq=2")
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
    assert rescored(scorer, test) == pytest.approx(test["scores"]["score"], abs=1e-5)


@pytest.mark.slow
def test_a_run_that_had_ended_looks_at_no_test_set_again(tmp_path):
    folder, _ = run(CKDN, tmp_path, *BRIEF, *PHASES[CKDN])
    weights = (folder / "models" / "scorer.safetensors").read_bytes()
    run(CKDN, tmp_path, *BRIEF, *PHASES[CKDN], auto_resume=True)
    assert len(log_of(folder, "test")) == 1
    assert (folder / "models" / "scorer.safetensors").read_bytes() == weights


@pytest.mark.slow
def test_a_branch_from_an_earlier_state_forgets_the_best_of_the_later_ones(tmp_path):
    options = [*BRIEF, *PHASES[CKDN], "val.val_freq=2", "val.best_by=rmse", "train.optim_g.lr=1e-2"]
    folder, _ = run(CKDN, tmp_path, *options)
    kept = {path.name for path in (folder / "models").glob("net_g_best_*.pth")}
    state = folder / "training_states" / "2"
    run(CKDN, tmp_path, *options, "train.total_iter=3", "val.val_freq=5", f"path.resume_state={state}")
    later = {name for name in kept if int(name[:-4].rpartition("_")[2]) > 3}
    assert not later & {path.name for path in (folder / "models").iterdir()}
    now = max(folder.glob("models/net_g_best_*.pth"), key=lambda path: int(path.stem.rpartition("_")[2]))
    assert equal(*(torch.load(path, weights_only=True) for path in (folder / "models" / "net_g_best.pth", now)))


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
def test_repeats_differ_by_their_seed_and_give_medians(tmp_path, capsys):
    from ir_quality_plugin.cli.train import train

    train(RECIPES / "cvrkd" / "smoke_teacher.yml", BRIEF, root=tmp_path, repeats=3)
    folders = [tmp_path / "experiments" / f"smoke_cvrkd_teacher_seed{seed}" for seed in range(3)]
    tests = [log_of(folder, "test")[-1] for folder in folders]
    assert len({tuple(sorted(test["scores"]["score"])) for test in tests}) > 1
    rmse = sorted(test["mean"]["rmse"] for test in tests)
    assert f"rmse: median {rmse[1]:.4f} over 3 seeds, {rmse[0]:.4f} to {rmse[2]:.4f}" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(("against_gaming", "of_it"), [("gradient_weight=0.01", 0.5), ("push=0.02", 0.9)])
def test_what_is_meant_against_gaming_makes_the_gradient_smaller(against_gaming, of_it, tmp_path):
    norms = {}
    for option in ("gradient_weight=1e-12", against_gaming):
        measured = [f"train.opinion_opt.{each}" for each in ("gradient_weight=1e-12", option)]
        options = [*length(120), "logger.print_freq=1", *measured, "train.opinion_opt.preference_iter=0"]
        folder, _ = run(CKDN, tmp_path / option, *options)
        norms[option] = fmean(entry["gradient_norm"] for entry in log_of(folder, "train")[-20:])
    assert norms[against_gaming] < of_it * norms["gradient_weight=1e-12"], norms


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
        (STUDENT, "val.best_by=full_reference_srcc", "known: krcc, plcc"),
        (STUDENT, "datasets.vall.type=QualityDataset", "datasets.vall is read by nothing"),
        (STUDENT, "datasets.train.crop_px=96", "datasets.train.crop_px=96, but network_g.patch_px=64"),
        (STUDENT, "train.total_iter=60", r"periods=\[40\] ends before train.total_iter=60"),
        (CVRKD_TEACHER, "datasets.train.patches=3", "datasets.train.patches=3, but network_g.patches=2"),
        (CKDN, "train.opinion_opt.preference_iter=40", "expected a whole number below train.total_iter=40"),
        (CKDN, "train.opinion_opt.preference_iter={}", "expected a whole number below train.total_iter=40"),
        (STUDENT, "datasets.train.split=[1]", r"datasets.train.split=\[1\]; expected \{shares: "),
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


def test_sets_that_share_images_are_refused(tmp_path):
    with pytest.raises(irq.UsageError, match=r"datasets.train and datasets.val share \d+ images and \d contents"):
        run(STUDENT, tmp_path, "datasets.val.split.shares=[0.2, 0.6, 0.2]")


def test_two_things_to_start_from_are_refused(tmp_path):
    with pytest.raises(irq.UsageError, match="path has imagenet and pretrain_teacher; expected one thing"):
        run(STUDENT, tmp_path, "path.imagenet=a.pth", "path.pretrain_teacher=b.pth")
