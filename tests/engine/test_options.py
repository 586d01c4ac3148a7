"""Option files: read as YAML 1.2 numbers, every key known, overrides from the command line."""

import pytest
from engine_runs import RECIPES

import ir_quality_plugin as irq
from ir_quality_plugin.data.yaml12 import parse
from ir_quality_plugin.engine.kinds import check_all
from ir_quality_plugin.engine.options import read_options

SMOKE = RECIPES / "smoke" / "sr_x4_ckdn.yml"
GAN = RECIPES / "smoke" / "esrgan_x4_ckdn.yml"


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*/*.yml")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_recipe_is_read(recipe):
    assert read_options(recipe).train.total_iter > 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 0.0001),
        ("1.e3", 1000.0),
        (".5", 0.5),
        ("-2E2", -200.0),
        ("7", 7),
        ("1e", "1e"),
        ("~", None),
        ("4x", "4x"),
        ("[1e-1, 2]", [0.1, 2]),
        (".inf", float("inf")),
        ("1.2.3", "1.2.3"),
        ("true", True),
        ("010", 10),
        ("0o17", 15),
        ("0x1f", 31),
        ("-3", -3),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("yes", "yes"),
        ("2026-11-21", "2026-11-21"),
        ("2026-11-21x", "2026-11-21x"),
    ],
)
def test_numbers_are_those_of_yaml_1_2(text, value):
    assert parse(text, "here") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands twice"),
        ("!!python/object/apply:os.system [echo]", "cannot be read as YAML"),
        ("a: [1", "cannot be read as YAML"),
        ("[" * 3000, "(nested too deeply|cannot be read)"),
    ],
)
def test_what_is_no_plain_yaml_is_refused(text, message):
    with pytest.raises(irq.UsageError, match=message):
        parse(text, "here")


def test_overrides_are_applied_in_order():
    overrides = [
        "train.optim_g.lr=1e-5",
        "train.quality_opt.balance=.5",
        "train.clip_grad_norm=1",
        "train.clip_grad_norm=2",
    ]
    options = read_options(SMOKE, overrides)
    assert options.train.optim_g["lr"] == 1e-5
    assert options.train.quality_opt["balance"] == 0.5
    assert options.train.clip_grad_norm == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trian.total_iter=1", "the file has no key 'trian'; did you mean 'train'"),
        ("train.guad={}", r"train has no key 'guad'; did you mean 'guard'"),
        (
            "train.guard={optimized: ckdn, metrics: [ssim]}",
            r"train\.guard has no key 'optimized'; did you mean 'optimi",
        ),
        ("train.total_iter=many", r"train\.total_iter='many': input should be a valid integer"),
        ("train.total_iter=0", r"train\.total_iter=0: input should be greater than 0"),
        ("train.mixed_precision=fp8", r"train\.mixed_precision='fp8': input should be 'no', 'fp16' or 'bf16'"),
        ("logger.keep_state=3", r"logger has no key 'keep_state'; did you mean 'keep_states'"),
        ("name=a/b", r"name='a/b': string should match pattern"),
        ("network_g=", r"network_g=None: input should be a valid dictionary"),
        ("train.total_iter", r"--set train\.total_iter: expected a\.b\.c=value"),
        ("name.x=1", r"--set name\.x=1: 'x' lies inside of a str"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(override, message):
    with pytest.raises(irq.UsageError, match=message):
        read_options(SMOKE, [override])


@pytest.mark.parametrize(
    ("recipe", "override", "message"),
    [
        (SMOKE, "network_g.num_fead=1", r"network_g: MSRResNet has no option 'num_fead'; did you mean 'num_feat'"),
        (SMOKE, "datasets.train.gt_sise=1", r"datasets\.train: PairedImageDataset has no option 'gt_sise'.*'gt_size'"),
        (SMOKE, "train.quality_opt.celing=1", r"has no option 'celing'; did you mean 'ceiling'"),
        (SMOKE, "val.metrics.ckdn.waights=x", r"calculate_quality has no option 'waights'; did you mean 'weights'"),
        (SMOKE, "model_type=SwinIRModel", r"SwinIRModel does not read it|is not trained here"),
        (
            SMOKE,
            "train.optim_g.type=Adma",
            r"train\.optim_g\.type='Adma' is no optimiser of torch; did you mean .*'Adam'",
        ),
        (SMOKE, "train.scheduler.type=Cosine", r"train\.scheduler\.type='Cosine'; did you mean 'Cosine"),
        (SMOKE, "train.pixel_opt=", r"train\.pixel_opt is missing; expected a fidelity term"),
        (GAN, "train.optim_d=", r"train\.optim_d is missing; QualityESRGANModel needs it"),
        (GAN, "train.gan_opt=", r"train\.gan_opt is missing"),
        (
            SMOKE,
            "train.guard={optimised: ckdn, metrics: [lpips]}",
            r"names 'lpips', which is none of val\.metrics: ckdn",
        ),
        (SMOKE, "train.guard={optimised: ckdn, metrics: [ckdn]}", r"'ckdn' is optimised and cannot be watched"),
    ],
)
def test_types_and_their_keys_are_checked_before_anything_is_built(recipe, override, message):
    with pytest.raises(irq.UsageError, match=message):
        check_all(read_options(recipe, [override]))


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(irq.UsageError, match=r"nope\.yml: cannot be read \(No such file"):
        read_options(tmp_path / "nope.yml")
    (tmp_path / "picture.yml").write_bytes(b"\xff\xd8\xff\x00")
    with pytest.raises(irq.UsageError, match="it is no text"):
        read_options(tmp_path / "picture.yml")
    (tmp_path / "list.yml").write_text("[1, 2]")
    with pytest.raises(irq.UsageError, match="holds a list; expected a mapping"):
        read_options(tmp_path / "list.yml")
