"""`irq evaluate`: its files, its table, exit codes, and folders full of odd images."""

import csv
import json
import struct
import zlib

import numpy as np
import pytest
from evaluation_folders import arguments, write_folders
from PIL import Image

import ir_quality_plugin as irq
from ir_quality_plugin.data.images import read_image


@pytest.fixture
def folders(tmp_path):
    return write_folders(tmp_path, images=4)


@pytest.fixture
def more_folders(tmp_path):
    return write_folders(tmp_path, images=6)


def rows_of(out):
    return list(csv.DictReader((out / "scores.csv").open(newline="")))


def test_scores_are_the_scorers_and_the_summary_compares_the_methods(run, folders, tmp_path):
    code, printed, err = run("evaluate", *arguments(folders, tmp_path / "out"))
    assert code == 0, err
    assert "ckdn-s, higher is better" in printed and str(tmp_path / "out" / "report.html") in printed
    assert "8 files scored in" in err
    rows = rows_of(tmp_path / "out")
    assert [(row["image"], row["method"]) for row in rows[:3]] == [
        ("im_000", "sharp"),
        ("im_000", "soft"),
        ("im_001", "sharp"),
    ]
    scorer = irq.load_scorer("ckdn-s")
    restored, degraded = (read_image(folders / name) for name in ("soft/im_000_x4.png", "degraded/im_000.png"))
    assert float(rows[1]["score"]) == pytest.approx(scorer(restored[None], degraded[None]).item(), rel=1e-5)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    (pair,) = summary["metrics"]["ckdn-s"]["pairs"]
    means = [np.mean([float(row["score"]) for row in rows if row["method"] == name]) for name in ("sharp", "soft")]
    assert pair["difference"] == pytest.approx(means[0] - means[1], rel=1e-4)
    assert pair["interval"] == [None, None] and pair["p"] is None  # of four images nothing is sure
    assert pair["count"] == 4 == pair["won"] + pair["tied"] + pair["lost"]
    assert summary["scale"]["files_by_factor"] == {"4": 8}
    assert "4 images are few" in err and "[" not in printed


def test_json_is_the_summary_and_nothing_else(run, folders, tmp_path):
    code, printed, _ = run("evaluate", *arguments(folders, tmp_path / "out", "--json"))
    assert code == 0
    assert json.loads(printed) == json.loads((tmp_path / "out" / "summary.json").read_text())


def test_pyiqas_metrics_stand_beside_ours_each_in_its_direction(run, more_folders, tmp_path):
    pytest.importorskip("pyiqa")
    metrics = ("--scorer", "ckdn-s", "--pyiqa", "psnr", "--pyiqa", "gmsd", "--reference", more_folders / "reference")
    code, _, err = run("evaluate", *arguments(more_folders, tmp_path / "out", metrics=metrics))
    assert code == 0, err
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert list(summary["metrics"]) == ["ckdn-s", "psnr", "gmsd"]
    assert summary["metrics"]["gmsd"]["direction"] == "lower is better"
    for name in ("psnr", "gmsd"):
        assert summary["metrics"][name]["pairs"][0]["better"] == "sharp"
        assert [summary["metrics"][name]["methods"][method]["rank"] for method in ("sharp", "soft")] == [1, 2]
    assert summary["agreement"]["order_within_images"][1][2] == 1


def test_large_images_go_by_tiles_and_the_summary_says_so(run, tmp_path):
    root = write_folders(tmp_path, images=1, side=400)
    code, _, _ = run("evaluate", *arguments(root, tmp_path / "out", "--tile-px", "256"))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (code, summary["tiled_files"]) == (0, 2)
    assert "2 large files were scored by tiles" in " ".join(summary["notes"])


def bomb():
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def write_odd_images(folder, side=64):
    """Odd images that are sound, and such that are not: their stems, and part of the reason."""
    image = Image.fromarray(np.random.RandomState(5).randint(0, 256, (side, side, 3), dtype=np.uint8))
    image.convert("L").save(folder / "grey.png")
    image.quantize(16).save(folder / "palette.png")
    image.convert("CMYK").save(folder / "cmyk.jpg")
    image.convert("RGBA").save(folder / "opaque.png")
    Image.fromarray(np.random.RandomState(6).randint(0, 65536, (side, side), dtype=np.uint16)).save(folder / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(folder / "turned.jpg", exif=exif)
    sound = ["grey", "palette", "cmyk", "opaque", "deep", "turned"]
    image.save(folder / "truncated.png")
    (folder / "truncated.png").write_bytes((folder / "truncated.png").read_bytes()[:3000])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("this is no image")
    (folder / "bomb.png").write_bytes(bomb())
    clear = image.convert("RGBA")
    clear.putalpha(100)
    clear.save(folder / "clear.png")
    image.resize((1, 1)).save(folder / "pixel.png")
    reasons = {
        "truncated": "it is damaged",
        "empty": "the file is empty",
        "text": "it is no image",
        "bomb": "more pixels than are safe",
        "clear": "transparent pixels",
        "pixel": "at least 32x32",
    }
    return sound, reasons


def test_every_good_image_is_scored_and_every_bad_one_listed_with_its_reason(run, folders, tmp_path):
    sound, reasons = write_odd_images(folders / "sharp")
    folder = folders / "sharp"
    line = ["--restored", folder, "--degraded", folder, "--scorer", "ckdn-s", "--out", tmp_path / "out"]
    code, printed, err = run("evaluate", *line)
    assert code == 1
    assert "irq: 6 of 16 files could not be scored" in err
    rows = {row["image"]: row for row in rows_of(tmp_path / "out")}
    assert len(rows) == 16
    assert all(rows[name]["score"] and not rows[name]["reason"] for name in sound)
    for name, reason in reasons.items():
        assert not rows[name]["score"] and reason in rows[name]["reason"]
    assert "10 images" in printed and "irq: 10 files scored in" in err
    page = (tmp_path / "out" / "report.html").read_text()
    assert all(f"<b>{name}</b> of sharp" in page for name in reasons)


def test_the_terminal_says_what_ranks_and_means_are_over(run, more_folders, tmp_path):
    (more_folders / "sharp" / "im_005.png").unlink()
    (more_folders / "soft" / "im_004_x4.png").write_text("no image")
    _, printed, err = run("evaluate", *arguments(more_folders, tmp_path / "out"))
    assert "  -  sharp" in printed and "-: too few of them for a rank" in printed
    # Five images each, and not the same ones
    assert "Methods have scores of different images: means are over each method's own" in err
    assert "irq: 10 files scored in" in err
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert all(f"irq: {note}" in err for note in summary["notes"])


def test_a_grey_image_among_colours_is_spoken_of(run, folders, tmp_path):
    Image.open(folders / "sharp" / "im_002.png").convert("L").save(folders / "sharp" / "im_002.png")
    code, _, err = run("evaluate", *arguments(folders, tmp_path / "out"))
    assert code == 0 and "1 file is grey and compared with images in colour, such as im_002 of sharp" in err
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["grey_files"] == [{"image": "im_002", "method": "sharp"}]


def test_a_method_without_any_score_is_listed(run, folders, tmp_path):
    for path in (folders / "soft").iterdir():
        path.write_text("no image")
    code, printed, _ = run("evaluate", *arguments(folders, tmp_path / "out"))
    assert code == 1 and "-  soft   no score" in printed


def test_a_link_whose_file_is_gone_is_a_row_with_its_reason(run, folders, tmp_path):
    (folders / "sharp" / "im_002.png").unlink()
    (folders / "sharp" / "im_002.png").symlink_to(folders / "gone.png")
    code, _, err = run("evaluate", *arguments(folders, tmp_path / "out"))
    assert code == 1 and "1 of 8 files could not be scored" in err
    assert "failed: im_002 of sharp" in err and "a link to nothing" in err


def test_a_scale_that_no_file_has_is_refused_before_the_run_and_one_that_some_have_is_not(run, folders, tmp_path):
    line = arguments(folders, tmp_path / "out", "--scale", "2")
    code, _, err = run("evaluate", *line)
    assert code == 2 and not (tmp_path / "out").exists()
    assert "none of 8 restored images is 2 times its degraded one; im_000 of sharp is 64x64 and degraded 16x16" in err
    Image.new("RGB", (32, 32)).save(folders / "soft" / "im_003_x4.png")
    code, _, err = run("evaluate", *line)
    assert code == 1 and "7 of 8 files could not be scored" in err


def test_one_method_without_a_score_has_no_note_on_different_images(run, folders, tmp_path):
    for path in (folders / "sharp").iterdir():
        path.write_text("no image")
    line = ["--restored", folders / "sharp", "--degraded", folders / "degraded", "--scorer", "ckdn-s"]
    code, _, err = run("evaluate", *line, "--out", tmp_path / "out")
    assert code == 1 and "scores of different images" not in err


def test_a_broken_partner_fails_only_what_needs_it(run, folders, tmp_path):
    (folders / "degraded" / "im_002.png").write_text("no image")
    (folders / "degraded" / "im_003.png").unlink()
    pytest.importorskip("pyiqa")
    metrics = ("--scorer", "ckdn-s", "--pyiqa", "psnr", "--reference", folders / "reference")
    code, _, err = run("evaluate", *arguments(folders, tmp_path / "out", metrics=metrics))
    rows = rows_of(tmp_path / "out")
    assert code == 1 and "2 of 8 files" in err and "unpaired: im_003 (degraded): no file of it" in err
    assert all(row["score"] for row in rows if row["metric"] == "psnr")
    failed = {row["image"]: row["reason"] for row in rows if not row["score"]}
    assert "it is no image" in failed["im_002"]
    assert failed["im_003"] == "there is no degraded file of this image"


def test_the_help_says_that_a_folder_alone_will_do(run):
    code, printed, _ = run("evaluate", "--help")
    assert code == 0 and "[NAME=]DIR" in printed


def test_one_method_alone_is_described_without_comparisons(run, folders, tmp_path):
    line = ["--restored", folders / "sharp", "--degraded", folders / "degraded", "--scorer", "ckdn-s"]
    code, printed, _ = run("evaluate", *line, "--out", tmp_path / "out")
    assert code == 0 and "\n  sharp  " in printed and "rank" not in printed
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["metrics"]["ckdn-s"]["pairs"] == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--restored", "sharp=elsewhere"), "the name 'sharp' is given twice"),
        (("--restored", "degraded=elsewhere"), "a name other than degraded"),
        (("--restored", "none=nowhere"), "none: nowhere is nothing"),
        (("--scorer", "cvrkd-s"), "cvrkd-s needs --reference DIR"),
        (("--scorer", "ckdn"), "no weights of ckdn are at hand"),
        (("--scorer", "ckdn=nowhere.pth"), "cannot read weights from nowhere.pth"),
        (("--tile-px", "100"), "expected at least 256"),
        (("--scorer", "ckdn-s="), "expected NAME, or NAME=FILE"),
        (("--match", "x4"), "expected {image} once"),
        (("--device", "nowhere"), "--device nowhere"),
        (("--scale", "0"), "scale"),
        (("--degraded", "elsewhere"), "--degraded was given 2 times; expected once"),
        (("--match", "sharp={image}_x9"), "sharp: --match fits none of its 4 images, such as im_000.png"),
    ],
)
def test_a_wrong_call_says_what_was_expected_and_leaves_nothing_behind(run, folders, tmp_path, more, message):
    code, printed, err = run("evaluate", *arguments(folders, tmp_path / "out", *more))
    assert code == 2
    assert message in err
    assert not printed and not (tmp_path / "out").exists()


def test_a_missing_partner_is_a_row_that_is_listed_and_not_scored_again(run, folders, tmp_path):
    (folders / "degraded" / "im_003.png").unlink()
    line = arguments(folders, tmp_path / "out", "--scorer", "teacheriqa-s=random", "--scale", "4")
    code, _, err = run("evaluate", *line)
    assert code == 0, err
    assert "--scale 4 could not be checked on 2 files" in err
    rows = [row for row in rows_of(tmp_path / "out") if row["image"] == "im_003"]
    assert [(row["metric"], bool(row["score"]), row["reason"]) for row in rows[:2]] == [
        ("ckdn-s", False, "there is no degraded file of this image"),
        ("teacheriqa-s (random)", True, ""),
    ]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["failed_files"] == 0 and len(summary["missing"]) == 2
    assert "2 files lack the partner" in " ".join(summary["notes"])
    _, _, err = run("evaluate", *line)
    assert "8 of 8 files are scored already" in err


def test_too_little_memory_to_decode_an_image_is_said_and_the_others_are_scored(run, folders, tmp_path, monkeypatch):
    real = np.asarray

    def lacking(image, *rest, **more):
        if getattr(image, "size", None) == (72, 72):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 12 bytes")
        return real(image, *rest, **more)

    Image.new("RGB", (72, 72)).save(folders / "sharp" / "im_001.png")
    monkeypatch.setattr("ir_quality_plugin.data.images.np.asarray", lacking)
    code, _, err = run("evaluate", *arguments(folders, tmp_path / "out"))
    assert code == 1 and "1 of 8 files could not be scored" in err
    assert "too little memory for its pixels; cut it into tiles" in err
