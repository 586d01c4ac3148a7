"""`irq weights`: what is listed, converted and verified, and what is refused."""

import dataclasses
import json

import pytest
import torch

import ir_quality_plugin as irq
from ir_quality_plugin.catalog import CATALOG, build_network
from ir_quality_plugin.checkpoints.write import write_weights


def test_a_released_file_converts_and_loads_back_to_the_same_scores(run, photos, released):
    out = photos / "new" / "ckdn.safetensors"
    code, text, _ = run("weights", "convert", released, "--scorer", "ckdn", "--out", out)
    assert code == 0
    assert "protocol released" in text
    call = ("score", photos / "restored", "--degraded", photos / "degraded", "--scorer", "ckdn", "--json", "--weights")
    assert json.loads(run(*call, released)[1]) == json.loads(run(*call, out)[1])
    assert run("weights", "convert", released, "--scorer", "ckdn", "--out", out)[0] == 2
    assert run("weights", "convert", released, "--scorer", "ckdn", "--out", out, "--force")[0] == 0


def test_half_precision_halves_the_file_and_the_terms_are_named(run, photos, released):
    whole, half = photos / "whole.safetensors", photos / "half.safetensors"
    run("weights", "convert", released, "--scorer", "ckdn", "--out", whole)
    terms = ("--half", "--licence", "research use only")
    assert run("weights", "convert", released, "--scorer", "ckdn", "--out", half, *terms)[0] == 0
    assert half.stat().st_size < 0.51 * whole.stat().st_size
    scorers = [irq.load_scorer("ckdn", path) for path in (whole, half)]
    assert scorers[1].card.licence == "research use only"
    assert scorers[1].network.predictor.mlp[0].weight.dtype == torch.float32
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    first, second = (scorer(image, image).item() for scorer in scorers)
    assert second == pytest.approx(first, abs=1e-2)  # eleven bits a weight


def test_a_converted_file_is_found_by_name_and_verified(run, photos, released):
    assert run("weights", "convert", released, "--scorer", "ckdn", "--json")[0] == 0
    code, out, _ = run("weights", "verify", "--json")
    assert code == 0
    assert [row["scorer"] for row in json.loads(out)["results"]] == [
        "ckdn",
        "teacheriqa-s",
        "ckdn-s",
        "cvrkd-s",
        "teacheriqa-s_teacher",
    ]  # the last four ship
    path = photos / "weights" / "ckdn.safetensors"
    listed = {row["name"]: row for row in json.loads(run("weights", "ls", "--json")[1])}
    assert listed["ckdn"]["path"] == str(path)
    assert listed["ckdn"]["licence"] == "MIT"
    assert listed["cvrkd"]["path"] is None
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(content)
    code, out, _ = run("weights", "verify")
    assert code == 1
    assert "failed" in out and "checksum" in out


def test_conversion_refuses_what_is_no_such_checkpoint(run, photos, released, tmp_path):
    code, _, err = run("weights", "convert", released, "--scorer", "cvrkd")
    assert code == 1
    assert "holds weights of ckdn, not of cvrkd" in err
    assert run("weights", "convert", released, "--scorer", "ckdn", "--out", tmp_path / "ckdn.pth")[0] == 2
    (tmp_path / "file").write_text("in the way")
    code, _, err = run("weights", "convert", released, "--scorer", "ckdn", "--out", tmp_path / "file" / "c.safetensors")
    assert code == 1
    assert "cannot write" in err


def test_the_list_names_every_scorer(run):
    code, out, _ = run("weights", "ls")
    assert code == 0
    assert all(card.name in out for card in irq.list_scorers())


@pytest.fixture
def compact(tmp_path):
    """A converted file of ckdn-s."""
    entry = CATALOG["ckdn-s"]
    return write_weights(tmp_path / "ckdn-s.safetensors", build_network(entry, entry.card).state_dict(), entry.card)


def test_compact_weights_do_not_pass_for_the_published_size(run, compact, tmp_path):
    out = tmp_path / "ckdn.safetensors"
    code, _, err = run("weights", "convert", compact, "--scorer", "ckdn", "--out", out)
    assert code == 1
    assert "of the sizes of ckdn-s; load it as 'ckdn-s'" in err
    assert not out.exists()
    assert run("weights", "verify", compact)[0] == 0
    assert run("weights", "verify", compact, "--scorer", "ckdn")[0] == 1


def test_a_damaged_file_among_sound_ones_is_named_and_counted(run, compact, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(compact.read_bytes()[:-100])
    code, out, err = run("weights", "verify", compact, broken, tmp_path / "missing.pth", "--json")
    rows = json.loads(out)["results"]
    assert code == 1
    assert "2 of 3 files failed" in err
    assert ["error" in row for row in rows] == [False, True, True]
    assert [row["file"] for row in rows] == [str(compact), str(broken), str(tmp_path / "missing.pth")]


def test_what_is_missing_takes_one_line_of_the_table_and_is_whole_in_the_json(run, tmp_path):
    weights = build_network(CATALOG["ckdn-s"], CATALOG["ckdn-s"].card).state_dict()
    del weights["quality_encoder.conv.weight"]
    torch.save(weights, tmp_path / "short.pth")
    code, out, _ = run("weights", "verify", tmp_path / "short.pth", "--scorer", "ckdn-s")
    assert code == 1
    assert len(out.splitlines()) == 1
    _, out, _ = run("weights", "verify", tmp_path / "short.pth", "--scorer", "ckdn-s", "--json")
    assert "quality_encoder.conv.weight is missing" in json.loads(out)["results"][0]["error"]


def test_a_damaged_file_hides_no_other_from_the_list(run, compact, tmp_path):
    (tmp_path / "weights").mkdir()
    compact.rename(tmp_path / "weights" / "ckdn-s.safetensors")
    (tmp_path / "weights" / "cvrkd.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    code, out, err = run("weights", "ls")
    assert code == 1
    assert "1 of 7" in err
    listed = {line.split()[0]: line for line in out.splitlines()}
    assert "failed:" in listed["cvrkd"]
    assert "ckdn-s.safetensors, licence" in listed["ckdn-s"]
    rows = {row["name"]: row for row in json.loads(run("weights", "ls", "--json")[1])}
    assert rows["cvrkd"]["error"] and rows["ckdn-s"]["error"] is None


def test_the_digest_of_the_original_stays_with_a_converted_file(run, compact, tmp_path):
    card = dataclasses.replace(CATALOG["ckdn-s"].card, sha256="0123abcd")
    source = write_weights(tmp_path / "in.safetensors", build_network(CATALOG["ckdn-s"], card).state_dict(), card)
    out = tmp_path / "out.safetensors"
    code, text, _ = run("weights", "convert", source, "--scorer", "ckdn-s", "--out", out, "--json")
    assert (code, json.loads(text)["sha256"]) == (0, "0123abcd")
    assert irq.load_scorer("ckdn-s", weights=out).card.sha256 == "0123abcd"
