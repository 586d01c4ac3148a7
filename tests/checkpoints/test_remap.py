"""Every released parameter has its place, or is named as unused; nothing else passes."""

from math import prod

import pytest
import torch
from golden import GOLDEN, released_weights

from ir_quality_plugin import CKDN, CVRKD, CheckpointError, TeacherIQAStudent
from ir_quality_plugin.checkpoints.remap import LAYOUTS, from_release, recognise, strip_wrapping

NETWORKS = {"teacheriqa": TeacherIQAStudent, "ckdn": CKDN, "cvrkd": CVRKD}
METHODS = list(NETWORKS)


@pytest.fixture(scope="module")
def expected():
    return {method: network().state_dict() for method, network in NETWORKS.items()}


@pytest.mark.parametrize("method", METHODS)
def test_every_released_key_has_exactly_one_place(method, expected):
    layout = LAYOUTS[method]
    used = [key for key in GOLDEN[method]["keys"] if not layout.is_unused(key)]
    assert sorted(layout.rename(key) for key in used) == sorted(expected[method])


def test_only_the_layers_that_cvrkd_never_reads_are_left_out():
    unused = {key: shape for key, shape in GOLDEN["cvrkd"]["keys"].items() if LAYOUTS["cvrkd"].is_unused(key)}
    weights = sum(prod(shape) for key, shape in unused.items() if "running" not in key and "num_batches" not in key)
    assert round(weights / 1e6, 2) == 2.05
    assert all("lda" in key or key.startswith(("regressor.relu1", "regressor.bn1")) for key in unused)
    assert not any(LAYOUTS[method].unused for method in ("teacheriqa", "ckdn"))


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_key_is_named(method, expected):
    weights = dict(released_weights(method))
    key = next(name for name in reversed(weights) if not LAYOUTS[method].is_unused(name))
    del weights[key]
    with pytest.raises(CheckpointError, match=rf"1 entries .*\n  {LAYOUTS[method].rename(key)} is missing"):
        from_release(method, weights, expected[method])


@pytest.mark.parametrize("method", METHODS)
def test_an_extra_key_is_named(method, expected):
    weights = {**released_weights(method), "classifier.weight": torch.zeros(3)}
    with pytest.raises(CheckpointError, match=r"no place for classifier.weight \(3,\)"):
        from_release(method, weights, expected[method])


def test_a_block_too_many_is_named(expected):
    weights = {**released_weights("ckdn"), "csp.4.conv1.weight": torch.zeros(128, 512, 1, 1)}
    with pytest.raises(CheckpointError, match=r"no place for csp.4.conv1.weight"):
        from_release("ckdn", weights, expected["ckdn"])


@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_shape_is_named(method, expected):
    weights = dict(released_weights(method))
    key = next(iter(weights))
    weights[key] = weights[key][:1]
    with pytest.raises(CheckpointError, match=r"has shape \(1, 3, 7, 7\); expected \(64, 3, 7, 7\)"):
        from_release(method, weights, expected[method])


def test_many_problems_are_counted_and_the_first_shown(expected):
    with pytest.raises(CheckpointError, match=r"(?s)teacheriqa; \d{3,} entries .*\n  and \d+ more"):
        from_release("teacheriqa", released_weights("ckdn"), expected["teacheriqa"])


@pytest.mark.parametrize("method", METHODS)
def test_a_release_is_recognised_by_its_names(method):
    assert recognise(released_weights(method)) == method
    assert recognise(NETWORKS[method]().state_dict()) is None


@pytest.mark.parametrize("prefix", ["module.", "net.", "module.net.", "model.module."])
def test_wrapping_is_taken_off_the_whole_file_only(prefix):
    wrapped = {f"{prefix}{name}": torch.zeros(1) for name in ("conv.weight", "conv.bias")}
    assert set(strip_wrapping(wrapped)) == {"conv.weight", "conv.bias"}
    partly = {**wrapped, "other": torch.zeros(1)}
    assert strip_wrapping(partly) == partly
