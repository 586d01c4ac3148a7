"""Loading by name: released files, converted ones, random weights, and everything that can be wrong with a file."""

import dataclasses
import hashlib

import pytest
import torch
from golden import GOLDEN, image, released_weights

import ir_quality_plugin as irq
from ir_quality_plugin import CheckpointError, catalog
from ir_quality_plugin.catalog import CATALOG, name_by_size
from ir_quality_plugin.checkpoints.write import write_weights

PUBLISHED = ["teacheriqa", "ckdn", "cvrkd"]
COMPACT = [f"{name}-s" for name in PUBLISHED]


@pytest.fixture(autouse=True)
def own_weights_folder(tmp_path, monkeypatch):
    """No test sees the weights of the user who runs it."""
    monkeypatch.setenv("IRQ_WEIGHTS", str(tmp_path / "weights"))


@pytest.fixture(scope="module")
def released_files(tmp_path_factory):
    """The three releases as their authors save them, with golden weights."""
    folder = tmp_path_factory.mktemp("released")
    for name in PUBLISHED:
        weights = {f"module.{key}": tensor for key, tensor in released_weights(name).items()}
        torch.save({"state_dict": weights, "epoch": 3}, folder / f"{name}.pth")
    return folder


def score(scorer):
    generator = torch.Generator().manual_seed(0)
    restored, clean = (torch.rand(1, 3, 240, 260, generator=generator) for _ in range(2))
    with torch.no_grad():
        return scorer(restored, degraded=clean, reference=clean)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_released_file_loads_with_the_released_protocol_on_its_card(released_files, name):
    path = released_files / f"{name}.pth"
    scorer = irq.load_scorer(name, weights=path)
    assert scorer.protocol == scorer.card.protocol == "released"
    assert scorer.card.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "trained on" in scorer.card.origin
    assert scorer.card.normalisation == ("none" if name == "teacheriqa" else "imagenet")
    assert scorer.card.licence != irq.load_scorer(name, weights="random").card.licence


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_converted_file_gives_the_released_scores_by_path_and_by_name(released_files, name):
    released = irq.load_scorer(name, weights=released_files / f"{name}.pth")
    path = catalog.weights_folder() / f"{name}.safetensors"
    write_weights(path, released.network.state_dict(), released.card)
    expected = score(released)
    assert torch.equal(score(irq.load_scorer(name, weights=path)), expected)
    assert torch.equal(score(irq.load_scorer(name)), expected)
    assert released.card in irq.list_scorers()


@pytest.mark.parametrize("name", COMPACT)
def test_random_weights_are_the_same_at_every_call_and_leave_the_generator_alone(name):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first, second = irq.load_scorer(name, weights="random"), irq.load_scorer(name, weights="random")
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(score(first), score(second))
    assert first.card.sha256 is None


@pytest.mark.parametrize("name", COMPACT)
def test_a_state_dict_of_our_own_network_loads_as_training_saves_it(tmp_path, name):
    network = irq.load_scorer(name, weights="random").network
    for tensor in network.state_dict().values():
        tensor.copy_(tensor * 0.9)
    averaged = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    plain = {key: torch.zeros_like(tensor) for key, tensor in averaged.items()}
    torch.save({"params": plain, "params_ema": averaged}, tmp_path / "net_g_500.pth")
    loaded = irq.load_scorer(name, weights=tmp_path / "net_g_500.pth")
    assert all(torch.equal(tensor, averaged[key]) for key, tensor in loaded.network.state_dict().items())
    assert loaded.card.origin == "net_g_500.pth"


def test_a_network_of_other_widths_is_rebuilt_from_its_card(tmp_path):
    network = irq.CKDN(stem_width=8, planes=(4, 8), depths=(1, 1), hidden=16)
    widths = {"stem_width": 8, "planes": [4, 8], "depths": [1, 1], "hidden": 16}
    card = dataclasses.replace(catalog.CATALOG["ckdn"].card, network=widths)
    path = write_weights(tmp_path / "mine.safetensors", network.state_dict(), card)
    loaded = irq.load_scorer("ckdn", weights=path)
    assert loaded.card == card
    assert loaded.network.predictor.mlp[0].out_features == 16


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_half_precision_weights_are_computed_in_full(tmp_path, precision):
    scorer = irq.load_scorer("ckdn-s", weights="random")
    halves = {k: v.to(precision) if v.is_floating_point() else v for k, v in scorer.network.state_dict().items()}
    path = write_weights(tmp_path / "half.safetensors", halves, scorer.card)
    loaded = irq.load_scorer("ckdn-s", weights=path)
    assert loaded.dtype == torch.float32
    torch.testing.assert_close(score(loaded), score(scorer), rtol=0, atol=1e-2)  # bfloat16 keeps eight bits of a weight


@pytest.mark.parametrize(("asked", "other"), [("ckdn", "cvrkd"), ("cvrkd", "teacheriqa"), ("ckdn-s", "teacheriqa")])
def test_a_checkpoint_of_another_model_is_named(released_files, asked, other):
    with pytest.raises(irq.CheckpointError, match=f"holds weights of {other}, not of {asked}; load it as '{other}'"):
        irq.load_scorer(asked, weights=released_files / f"{other}.pth")


def test_a_release_at_full_size_is_no_compact_scorer(released_files):
    with pytest.raises(irq.CheckpointError, match="released ckdn at its published size; load it as 'ckdn'"):
        irq.load_scorer("ckdn-s", weights=released_files / "ckdn.pth")


def test_an_unrelated_state_dict_is_refused_as_another_models(tmp_path):
    torch.save(torch.nn.Linear(3, 3).state_dict(), tmp_path / "linear.pth")
    with pytest.raises(
        irq.CheckpointError, match=r"it is another model's, none of its 2 names is known here \(weight, bias, "
    ):
        irq.load_scorer("ckdn-s", weights=tmp_path / "linear.pth")


def test_an_unknown_scorer_offers_the_nearest_names():
    with pytest.raises(irq.UsageError, match="no scorer is named 'ckdm'; did you mean 'ckdn'"):
        irq.load_scorer("ckdm")
    with pytest.raises(irq.UsageError, match="known: ckdn, ckdn-s, cvrkd"):
        irq.load_scorer("zzzzzz")


@pytest.mark.parametrize("name", PUBLISHED)
def test_missing_default_weights_say_where_to_get_them(name):
    with pytest.raises(irq.CheckpointError, match=rf"no weights of {name}.*irq weights convert FILE --scorer {name}"):
        irq.load_scorer(name)


@pytest.mark.parametrize(("name", "protocol"), [("ckdn-s", "grid"), ("cvrkd-s", "whole"), ("teacheriqa-s", "centre")])
def test_a_protocol_that_a_scorer_lacks_is_refused(name, protocol):
    with pytest.raises(irq.UsageError, match=rf"protocol='{protocol}'; expected one of"):
        irq.load_scorer(name, weights="random", protocol=protocol)


def test_a_blind_scorer_has_no_full_reference_setting():
    with pytest.raises(irq.UsageError, match="teacheriqa-s takes no reference"):
        irq.load_scorer("teacheriqa-s", weights="random", full_reference=True)


def test_cards_say_what_a_user_must_know():
    cards = {card.name: card for card in irq.list_scorers()}
    assert list(cards) == [*PUBLISHED, *COMPACT]
    assert {cards[name].reference for name in PUBLISHED} == {"none", "degraded", "any-clean"}
    for card in cards.values():
        assert card.direction == "higher is better"
        assert card.score_range[0] < card.score_range[1]
        assert card.patch_px and card.normalisation and card.protocol and card.licence and card.origin and card.source


@pytest.mark.parametrize("name", COMPACT)
def test_bounded_scores_stay_in_their_range(name):
    card = irq.load_scorer(name, weights="random").card
    if card.bounded:
        assert card.score_range[0] <= score(irq.load_scorer(name, weights="random")) <= card.score_range[1]


@pytest.mark.parametrize("name", ["teacheriqa-s", "ckdn-s", "cvrkd-s"])
def test_random_weights_tell_images_apart(name):
    scorer = irq.load_scorer(name, weights="random")
    images = torch.rand(4, 3, 96, 96, generator=torch.Generator().manual_seed(0)) ** torch.tensor(
        [0.3, 0.7, 1.5, 3.0]
    ).view(4, 1, 1, 1)
    scores = scorer(images, degraded=images[..., ::4, ::4], reference=images.flip(0))
    lowest, highest = scorer.card.score_range
    assert scores.max() - scores.min() > 1e-3 * (highest - lowest)


def test_a_released_file_goes_from_images_to_the_golden_scores(released_files):
    scorer = irq.load_scorer("teacheriqa", weights=released_files / "teacheriqa.pth")
    # Of 224 px, every crop is the image itself.
    expected = torch.tensor(GOLDEN["teacheriqa"]["score"])
    torch.testing.assert_close(scorer(image(0, 2, 3, 224, 224)), expected, rtol=0, atol=1e-4 * expected.abs().max())


@pytest.mark.parametrize("name", COMPACT)
def test_pixels_are_normalised_as_the_card_says(name):
    scorer = irq.load_scorer(name, weights="random")
    side = scorer.card.patch_px
    picture = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    normalised = (picture - mean) / std
    if name == "teacheriqa-s":
        by_hand = scorer.network(normalised).score
    elif name == "ckdn-s":
        by_hand = scorer.network(normalised, normalised.flip(0)).degraded_reference.score
    else:
        patches = normalised[:, None].expand(-1, 4, -1, -1, -1)
        by_hand = scorer.network(patches, patches.flip(0)).score
    assert scorer.card.normalisation == "imagenet"
    found = scorer(picture, degraded=picture.flip(0), reference=picture.flip(0))
    torch.testing.assert_close(found, by_hand, rtol=1e-4, atol=1e-5)


def test_loading_touches_no_generator_on_any_device(monkeypatch):
    monkeypatch.setattr(
        torch.cuda, "manual_seed_all", lambda seed: pytest.fail("the user's GPU generators were reseeded")
    )
    before = torch.get_rng_state()
    irq.load_scorer("ckdn-s", weights="random")
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_of_a_sibling_are_refused_by_name(tmp_path):
    entry = catalog.CATALOG["ckdn-s"]
    weights = catalog.build_network(entry, entry.card).state_dict()
    path = write_weights(tmp_path / "sibling.safetensors", weights, entry.card)
    with pytest.raises(irq.CheckpointError, match="holds a network of the sizes of ckdn-s; load it as 'ckdn-s'"):
        irq.load_scorer("ckdn", weights=path)


def test_a_damaged_file_hides_no_other_card(tmp_path, monkeypatch):
    monkeypatch.setenv("IRQ_WEIGHTS", str(tmp_path))
    (tmp_path / "cvrkd.safetensors").write_bytes(b"damaged")
    assert [card.name for card in irq.list_scorers()] == list(catalog.CATALOG)


@pytest.mark.parametrize("weights", [None, {"a": torch.zeros(1)}, 3])
def test_weights_that_are_no_path_are_refused(weights):
    with pytest.raises(irq.UsageError, match="expected 'default', 'random' or a path"):
        irq.load_scorer("ckdn-s", weights=weights)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(irq.UsageError, match="device='cuda:99'"):
        irq.load_scorer("ckdn-s", weights="random", device="cuda:99")


SPOILED = {
    "integers": lambda tensor: (tensor * 1000).long(),
    "complex": lambda tensor: tensor.to(torch.complex64),
    "sparse": lambda tensor: tensor.to_sparse(),
    "meta": lambda tensor: tensor.to("meta"),
    "float8": lambda tensor: tensor.to(torch.float8_e4m3fn),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_tensors_that_are_no_plain_weights_are_refused(tmp_path, kind):
    entry = catalog.CATALOG["ckdn-s"]
    weights = catalog.build_network(entry, entry.card).state_dict()
    name = "quality_encoder.conv.weight"
    torch.save({**weights, name: SPOILED[kind](weights[name])}, tmp_path / "odd.pth")
    with pytest.raises(irq.CheckpointError, match=r"no plain weights|is torch\.int64; expected torch\.float32"):
        irq.load_scorer("ckdn-s", weights=tmp_path / "odd.pth")


def test_negative_variances_are_refused(tmp_path):
    entry = catalog.CATALOG["ckdn-s"]
    weights = catalog.build_network(entry, entry.card).state_dict()
    name = next(name for name in weights if name.endswith("running_var"))
    torch.save({**weights, name: -weights[name]}, tmp_path / "odd.pth")
    with pytest.raises(irq.CheckpointError, match="has negative variances"):
        irq.load_scorer("ckdn-s", weights=tmp_path / "odd.pth")


def test_compact_weights_go_by_the_compact_name_whatever_their_card_says(tmp_path):
    compact = irq.load_scorer("ckdn-s")
    state = compact.network.state_dict()
    torch.save(state, tmp_path / "bare.pth")
    card = dataclasses.replace(compact.card, name="ckdn")  # as trainings wrote it whose options spelled a default out
    write_weights(tmp_path / "named_so.safetensors", state, card)
    for file in ("bare.pth", "named_so.safetensors"):
        assert irq.load_scorer("ckdn-s", tmp_path / file).card.name == "ckdn-s"
        with pytest.raises(CheckpointError, match="of the sizes of ckdn-s; load it as 'ckdn-s'"):
            irq.load_scorer("ckdn", tmp_path / file)


def test_a_network_of_other_sizes_goes_by_its_method():
    assert name_by_size(irq.load_scorer("ckdn", "random").network.state_dict()) is None
    assert {name_by_size(irq.load_scorer(name, "random").network.state_dict()) for name in CATALOG} >= {
        "teacheriqa-s",
        "ckdn-s",
        "cvrkd-s",
    }
