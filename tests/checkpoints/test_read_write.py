"""Files of weights: read whatever scripts save, execute nothing, keep what was there when writing fails."""

import argparse
import dataclasses
import json
import os
import pickle
import struct

import pytest
import torch
from safetensors.torch import save_file

from ir_quality_plugin import CheckpointError
from ir_quality_plugin.catalog import CATALOG
from ir_quality_plugin.checkpoints import write
from ir_quality_plugin.checkpoints.read import DIGEST, digest, read_card, read_weights
from ir_quality_plugin.models.card import Card

CARD = dataclasses.replace(CATALOG["ckdn"].card, sha256="0" * 64)


@pytest.fixture
def weights():
    return {"conv.weight": torch.randn(4, 3, 3, 3), "bn.num_batches_tracked": torch.tensor(7)}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("suffix", [".pth", ".pkl", ".anything"])
@pytest.mark.parametrize("wrap", ["plain", "state_dict", "params", "params_ema", "module.", "beside"])
def test_whatever_training_scripts_save_is_read(tmp_path, weights, zipped, suffix, wrap):
    content = {
        "plain": weights,
        "module.": {f"module.{name}": tensor for name, tensor in weights.items()},
        "beside": {"state_dict": weights, "epoch": 3, "args": argparse.Namespace(lr=0.1), "best": [0.5, None]},
    }.get(wrap, {wrap: weights})
    path = tmp_path / f"weights{suffix}"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert_same(read_weights(path).tensors, weights)


def test_averaged_weights_are_preferred(tmp_path, weights):
    torch.save({"params": {"conv.weight": torch.zeros(1)}, "params_ema": weights}, tmp_path / "net_g.pth")
    assert_same(read_weights(tmp_path / "net_g.pth").tensors, weights)


class Payload:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("how", ["torch", "legacy torch", "pickle", "old pickle"])
def test_code_in_a_file_is_never_executed(tmp_path, weights, how):
    path, trace = tmp_path / "weights.pth", tmp_path / "executed"
    content = {"state_dict": weights, "extra": Payload(f"touch {trace}")}
    if "torch" in how:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    else:
        path.write_bytes(pickle.dumps(content, protocol=4 if how == "pickle" else 2))
    with pytest.raises(CheckpointError, match=r"refused: .*Nothing in it was executed.*save its state dict alone"):
        read_weights(path)
    assert not trace.exists()


def test_a_pickled_module_is_refused_by_the_name_of_its_class(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"asks for the code torch\.nn\.modules\.linear\.Linear"):
        read_weights(tmp_path / "model.pth")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [0.05, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_damaged(tmp_path, zipped, kept):
    path = tmp_path / "weights.pth"
    torch.save({"conv.weight": torch.randn(64, 64)}, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(CheckpointError, match=r"weights\.pth"):
        read_weights(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>virus scan warning", "a web page.*by hand"),
        (b"just some text, long enough to look like something", "damaged or no file of weights"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 64, "damaged or no file of weights"),
        (b"\x80\x02}q\x00.", "damaged or no file of weights"),
    ],
)
def test_other_files_are_told_apart(tmp_path, content, message):
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read_weights(tmp_path / "weights.pth")


@pytest.mark.parametrize("path", ["missing.pth", "."])
def test_a_missing_file_and_a_folder_are_errors(tmp_path, path):
    with pytest.raises(CheckpointError, match="cannot read weights from"):
        read_weights(tmp_path / path)


@pytest.mark.parametrize("content", [[1, 2], {"a": 3}, {"state_dict": {"a": torch.zeros(1), "b": "text"}}, {}])
def test_what_is_no_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match=r"expected (names and tensors|a state dict)"):
        read_weights(tmp_path / "weights.pth")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    torch.save({"conv.weight": torch.tensor([1.0, value])}, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match=r"NaN or Inf in \['conv.weight'\]"):
        read_weights(tmp_path / "weights.pth")


def test_weights_and_card_come_back_as_written(tmp_path, weights):
    path = write.write_weights(tmp_path / "new" / "ckdn.safetensors", weights, CARD)
    found = read_weights(path)
    assert_same(found.tensors, weights)
    assert found.card == CARD == read_card(path)


def test_one_flipped_bit_is_found(tmp_path, weights):
    path = write.write_weights(tmp_path / "ckdn.safetensors", weights, CARD)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="do not match the checksum"):
        read_weights(path)


@pytest.mark.parametrize("damage", ["truncated", "header length", "header text"])
def test_a_damaged_safetensors_file_is_named(tmp_path, weights, damage):
    path = write.write_weights(tmp_path / "ckdn.safetensors", weights, CARD)
    content = path.read_bytes()
    damaged = {
        "truncated": content[:-10],
        "header length": struct.pack("<Q", 2**62) + content[8:],
        "header text": content[:9] + b"?" * 20 + content[29:],
    }[damage]
    path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match=r"ckdn\.safetensors is a damaged safetensors file"):
        read_weights(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entries: entries.pop("protocol"), "the card has the entries"),
        (lambda entries: entries.update(colour="red"), "the card has the entries"),
        (lambda entries: entries.update(protocol="magic"), "protocol is 'magic'; expected one of"),
        (lambda entries: entries.update(patch_px="big"), "patch_px is 'big'"),
        (lambda entries: entries.update(score_range=[1, 0]), "score_range"),
        (lambda entries: entries.update(score_range=3), "score_range"),
        (lambda entries: entries.update(score_range=[True, 5]), "score_range"),
        (lambda entries: entries.update(direction="lower is better"), "direction is 'lower is better'"),
        (lambda entries: entries.update(min_px=-5), "min_px is -5"),
        (lambda entries: entries.update(patches="x"), "patches is 'x'"),
        (lambda entries: entries.update(bounded="no"), "bounded is 'no'"),
        (lambda entries: entries.update(licence=7), "licence is 7"),
    ],
)
def test_a_card_that_the_code_cannot_follow_is_refused(tmp_path, weights, change, message):
    entries = json.loads(CARD.to_json())
    change(entries)
    text = json.dumps(entries)
    save_file(weights, tmp_path / "odd.safetensors", {"card": text, DIGEST: digest(text, weights)})
    with pytest.raises(CheckpointError, match=message):
        read_weights(tmp_path / "odd.safetensors")


def test_a_card_comes_back_from_its_text():
    assert Card.from_json(CARD.to_json()) == CARD
    with pytest.raises(CheckpointError, match="no JSON"):
        Card.from_json("{")


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, weights, monkeypatch):
    path = write.write_weights(tmp_path / "ckdn.safetensors", weights, CARD)
    before = path.read_bytes()

    def full_disk(tensors, unfinished, metadata):
        with open(unfinished, "wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "save_file", full_disk)
    with pytest.raises(CheckpointError, match=r"No space left.*nothing was left behind"):
        write.write_weights(path, {"other": torch.zeros(3)}, CARD)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path, weights):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="cannot write"):
        write.write_weights(tmp_path / "file" / "ckdn.safetensors", weights, CARD)


def test_the_content_of_a_file_decides_not_the_ending_of_its_name(tmp_path, weights):
    torch.save(weights, tmp_path / "pickled.safetensors")
    read = read_weights(tmp_path / "pickled.safetensors").tensors
    assert all(torch.equal(tensor, read[name]) for name, tensor in weights.items())
    (tmp_path / "text.safetensors").write_text("not safetensors")
    with pytest.raises(CheckpointError, match=r"text\.safetensors is damaged or no file of weights"):
        read_weights(tmp_path / "text.safetensors")


def test_no_flipped_bit_of_the_header_passes(tmp_path, weights):
    path = write.write_weights(tmp_path / "ckdn.safetensors", weights, CARD)
    content = path.read_bytes()
    header = struct.unpack("<Q", content[:8])[0]
    passed = []
    for position in range(8, 8 + header, 7):
        for bit in (0, 3):
            path.write_bytes(content[:position] + bytes([content[position] ^ 1 << bit]) + content[position + 1 :])
            try:
                found = read_weights(path)
            except CheckpointError:
                continue
            # A flip between equivalent spellings of the header changes nothing that is read.
            same = found.card == CARD and all(torch.equal(found.tensors[name], weights[name]) for name in weights)
            passed += [] if same else [position]
    assert passed == []


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_torchscript_archive_is_refused_as_code(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "script.pt")
    with pytest.raises(CheckpointError, match=r"is refused: .*[Cc]ode"):
        read_weights(tmp_path / "script.pt")
