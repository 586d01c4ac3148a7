"""Made triplets: the files, the table, the user's own network, and folders that are not to be mixed."""

import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

import ir_quality_plugin as irq
import ir_quality_plugin.integrations

pytest.importorskip("basicsr")
pytest.importorskip("cv2")

from ir_quality_plugin.data.readers import read_triplets
from ir_quality_plugin.data.triplets import Making
from ir_quality_plugin.integrations.made_triplets import make_triplets
from ir_quality_plugin.integrations.saved_networks import SavedNetwork

PHOTOGRAPHS = sorted((Path(__file__).parents[2] / "recipes" / "smoke" / "photographs" / "val" / "gt").iterdir())
MAKING = Making(crop_px=64, inputs=2, restorations=3)


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".irq.lock"
    }


def save(path, network):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"params": network.state_dict()}, path)
    return path


def test_every_row_names_files_that_belong_together(tmp_path):
    made = make_triplets(PHOTOGRAPHS, tmp_path / "made", MAKING)
    rows = read_triplets(tmp_path / "made" / "table.csv")
    assert made.triplets == len(rows) == len(PHOTOGRAPHS) * 6
    assert len({row.image for row in rows}) == len(rows)
    for row in rows:
        sizes = [Image.open(path).size for path in (row.image, row.reference, row.degraded)]
        assert sizes[:2] == [(64, 64)] * 2
        assert sizes[2] in ((64, 64), (16, 16))
        assert row.content == row.reference.stem
        assert row.image.stem.endswith(row.distortion)


def test_the_same_seed_makes_the_same_files_and_a_hole_is_filled_with_the_same(tmp_path):
    make_triplets(PHOTOGRAPHS[:2], tmp_path / "a", MAKING)
    make_triplets(PHOTOGRAPHS[:2], tmp_path / "b", MAKING)
    first = digests(tmp_path / "a")
    assert first == digests(tmp_path / "b")
    for path in list((tmp_path / "b" / "restored").iterdir())[:2]:
        path.unlink()
    (tmp_path / "b" / "table.csv").unlink()
    (tmp_path / "b" / "restored" / ".x.png.abc.unfinished").write_bytes(b"left by a kill")
    make_triplets(PHOTOGRAPHS[:2], tmp_path / "b", MAKING)
    assert first == digests(tmp_path / "b")
    make_triplets(PHOTOGRAPHS[:3], tmp_path / "b", MAKING)  # a further photograph changes nothing of the others
    assert {name: value for name, value in digests(tmp_path / "b").items() if name in first} | {"table.csv": ""} == {
        **first,
        "table.csv": "",
    }


def test_other_seeds_make_other_files(tmp_path):
    make_triplets(PHOTOGRAPHS[:1], tmp_path / "a", MAKING)
    make_triplets(PHOTOGRAPHS[:1], tmp_path / "b", Making(1, 64, inputs=2, restorations=3))
    same = set(digests(tmp_path / "a").values()) & set(digests(tmp_path / "b").values())
    assert not same


def test_a_folder_of_other_options_or_other_things_is_refused(tmp_path):
    make_triplets(PHOTOGRAPHS[:1], tmp_path / "a", MAKING)
    with pytest.raises(irq.UsageError, match="made with other options"):
        make_triplets(PHOTOGRAPHS[:1], tmp_path / "a", Making(crop_px=96))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.tex").touch()
    with pytest.raises(irq.UsageError, match="holds other things"):
        make_triplets(PHOTOGRAPHS[:1], tmp_path / "b", MAKING)


def test_photographs_that_cannot_be_used_are_counted_and_the_others_made(tmp_path):
    photographs = [Path(shutil.copy(path, tmp_path)) for path in PHOTOGRAPHS[:2]]
    broken, small = tmp_path / "broken.png", tmp_path / "small.png"
    broken.write_text("no image")
    Image.new("RGB", (63, 200)).save(small)
    made = make_triplets([*photographs, broken, small], tmp_path / "made", MAKING)
    assert made.triplets == 12
    assert any("broken.png: it is no image" in reason for reason in made.failures)
    assert any("small.png: it is 200x63 pixels" in reason for reason in made.failures)
    with pytest.raises(irq.ImageError, match="no photograph could be used"):
        make_triplets([broken], tmp_path / "none", MAKING)


def test_the_users_own_network_restores_what_is_of_its_scale(tmp_path):
    from basicsr.archs.srresnet_arch import MSRResNet

    options = {"num_feat": 8, "num_block": 1, "upscale": 4}
    torch.manual_seed(0)
    weights = save(tmp_path / "run_x4" / "models" / "net_g_latest.pth", MSRResNet(**options))
    network = SavedNetwork(weights, {"network_g": {"type": "MSRResNet", **options}})
    making = Making(crop_px=64, inputs=3, restorations=5)
    make_triplets(PHOTOGRAPHS, tmp_path / "made", making, [network])
    rows = [r for r in read_triplets(tmp_path / "made" / "table.csv") if r.distortion == "run_x4_net_g_latest"]
    assert rows
    assert all(Image.open(row.degraded).size == (16, 16) for row in rows)
    with pytest.raises(irq.UsageError, match="makes no 64 px picture of any input"):
        make_triplets(PHOTOGRAPHS, tmp_path / "other", Making(crop_px=64, scales=(1, 2)), [network])
    with pytest.raises(irq.UsageError, match="two networks have one name"):
        make_triplets(PHOTOGRAPHS, tmp_path / "other", making, [network, network])
