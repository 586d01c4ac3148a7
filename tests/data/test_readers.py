"""The public sets in their exact layouts, made tiny; scores keep their direction, contents are never parted."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

import ir_quality_plugin as irq
from ir_quality_plugin.data.labels import LabelTable, Row
from ir_quality_plugin.data.readers import READERS, read_labels


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"an image")


def cells(names):
    column = np.empty((1, len(names)), dtype=object)
    column[0, :] = names
    return column


def make_pipal(root):
    touch(*(root / "Train_Ref" / f"A000{i}.bmp" for i in (1, 2)))
    names = [f"A000{i}_0{kind}_00.bmp" for i in (1, 2) for kind in (0, 3)]
    touch(*(root / "Train_Dist" / name for name in names))
    for i in (1, 2):
        (root / "Train_Label").mkdir(exist_ok=True)
        lines = [f"{name},{1400 + 10 * int(name[7])}" for name in names if name.startswith(f"A000{i}")]
        (root / "Train_Label" / f"A000{i}.txt").write_text("\n".join(lines) + "\n")
    return {"images": 4, "contents": {"A0001", "A0002"}, "quality": 0.5, "distortions": {"00_00", "03_00"}}


def make_kadid10k(root):
    touch(*(root / "images" / name for name in ("I01.png", "I01_01_05.png", "I01_24_02.png")))
    lines = ["dist_img,ref_img,dmos,var", "I01_01_05.png,I01.png,3.0,0.25", "I01_24_02.png,I01.png,4.5,0.5"]
    (root / "dmos.csv").write_text("\n".join(lines))
    return {"images": 2, "contents": {"I01"}, "quality": 0.5, "distortions": {"01", "24"}, "mos_std": 0.5}


def make_tid2013(root):
    touch(root / "reference_images" / "I01.BMP", root / "reference_images" / "I25.BMP")
    touch(root / "distorted_images" / "i01_01_1.bmp", root / "distorted_images" / "i25_24_5.bmp")
    (root / "mos_with_names.txt").write_text("4.50000 I01_01_1.bmp\n6.10000 i25_24_5.bmp\n")
    return {"images": 2, "contents": {"i01", "i25"}, "quality": 0.5, "distortions": {"01", "24"}}


def make_live(root):
    scores, originals, names = np.linspace(20, 80, 982)[None], np.ones((1, 982)), ["bikes.bmp"] * 982
    for index, (kind, number) in {0: ("jp2k", 1), 227: ("jpeg", 1), 981: ("fastfading", 174)}.items():
        originals[0, index] = 0
        touch(root / kind / f"img{number}.bmp")
    names[981] = "sailing1.bmp"
    scores[0, 0] = 50.0
    touch(root / "refimgs" / "bikes.bmp", root / "refimgs" / "sailing1.bmp")
    savemat(root / "dmos_realigned.mat", {"dmos_new": scores, "orgs": originals})
    savemat(root / "refnames_all.mat", {"refnames_all": cells(names)})
    distortions = {"jp2k", "jpeg", "fastfading"}
    return {"images": 3, "contents": {"bikes", "sailing1"}, "quality": 0.5, "distortions": distortions}


def make_csiq(root):
    touch(root / "src_imgs" / "1600.png", root / "dst_imgs" / "awgn" / "1600.AWGN.1.png")
    touch(root / "dst_imgs" / "jpeg2000" / "1600.jpeg2000.4.png")
    lines = ["image,dst_idx,dst_type,dst_lev,dmos_std,dmos", "1600,1,noise,1,0.1,0.5", "1600,3,jpeg 2000,4,0.2,0.9"]
    (root / "csiq.DMOS.csv").write_text("\n".join(lines))
    return {"images": 2, "contents": {"1600"}, "quality": 0.5, "distortions": {"awgn", "jpeg2000"}, "mos_std": 0.1}


def make_koniq10k(root):
    touch(root / "1024x768" / "10004473376.jpg", root / "1024x768" / "10007357496.jpg")
    lines = ['"image_name","c1","c_total","MOS","SD","MOS_zscore"', '"10004473376.jpg",0,105,3.0,0.4,67.6']
    lines += ['"10007357496.jpg",0,112,3.4,0.6,68.7']
    (root / "koniq10k_scores_and_distributions.csv").write_text("\n".join(lines))
    return {"images": 2, "contents": {"10004473376", "10007357496"}, "quality": 0.5, "mos_std": 0.4}


def make_live_challenge(root):
    names = [f"t{i}.bmp" for i in range(1, 8)] + ["3.bmp", "4.JPG"]
    touch(root / "Images" / "3.bmp", root / "Images" / "4.JPG")
    (root / "Data").mkdir()
    savemat(root / "Data" / "AllImages_release.mat", {"AllImages_release": cells(names).T})
    savemat(root / "Data" / "AllMOS_release.mat", {"AllMOS_release": np.r_[np.zeros(7), 50.0, 62.0][None]})
    savemat(root / "Data" / "AllStdDev_release.mat", {"AllStdDev_release": np.full((1, 9), 18.0)})
    return {"images": 2, "contents": {"3", "4"}, "quality": 0.5, "mos_std": 18.0}


MAKERS = {
    "pipal": make_pipal,
    "kadid10k": make_kadid10k,
    "tid2013": make_tid2013,
    "live": make_live,
    "csiq": make_csiq,
    "koniq10k": make_koniq10k,
    "live_challenge": make_live_challenge,
}


def test_every_layout_but_the_csv_is_made_here():
    assert set(MAKERS) | {"csv"} == set(READERS)


@pytest.mark.parametrize("layout", MAKERS)
def test_a_set_is_read_in_its_layout(layout, tmp_path):
    expected = MAKERS[layout](tmp_path)
    table = read_labels(layout, tmp_path)
    assert len(table.rows) == expected["images"]
    assert all(row.image.is_file() for row in table.rows)
    assert all(row.reference is None or row.reference.is_file() for row in table.rows)
    assert {row.content for row in table.rows} == expected["contents"]
    assert table.quality(table.rows[0]) == pytest.approx(expected["quality"])
    assert {row.distortion for row in table.rows} == expected.get("distortions", {None})
    assert table.rows[0].mos_std == expected.get("mos_std")
    (note,) = table.notes
    assert "the published set has" in note


@pytest.mark.parametrize("layout", ["live", "csiq"])
def test_a_dmos_is_turned_so_that_higher_is_better(layout, tmp_path):
    MAKERS[layout](tmp_path)
    table = read_labels(layout, tmp_path)
    assert not table.higher_is_better
    by_mos = sorted(table.rows, key=lambda row: row.mos)
    assert table.quality(by_mos[0]) > table.quality(by_mos[-1])


@pytest.mark.parametrize("layout", MAKERS)
def test_missing_images_are_listed_once_and_left_out(layout, tmp_path):
    MAKERS[layout](tmp_path)
    whole = read_labels(layout, tmp_path)
    whole.rows[0].image.unlink()
    table = read_labels(layout, tmp_path)
    assert len(table.rows) == len(whole.rows) - 1
    assert f"listed images are missing: {whole.rows[0].image.name}".lower() in table.notes[0].lower()


@pytest.mark.parametrize("layout", READERS)
def test_a_folder_without_the_layout_says_what_was_looked_for(layout, tmp_path):
    with pytest.raises(irq.UsageError, match=r"has none of .*; expected the set as it unpacks|cannot be read as CSV"):
        read_labels(layout, tmp_path)


def test_an_unknown_layout_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(irq.UsageError, match="did you mean 'kadid10k'"):
        read_labels("kadid", tmp_path)


def test_a_workbook_says_how_to_go_on(tmp_path):
    MAKERS["csiq"](tmp_path)
    (tmp_path / "csiq.DMOS.csv").rename(tmp_path / "csiq.DMOS.xlsx")
    with pytest.raises(irq.UsageError, match=r"save its sheet all_by_image as csiq\.DMOS\.csv"):
        read_labels("csiq", tmp_path)


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def test_a_plain_csv_is_read_with_whatever_columns_it_has(tmp_path):
    touch(tmp_path / "a.png", tmp_path / "b.png", tmp_path / "clean.png", tmp_path / "small.png")
    rows = [{"image": "a.png", "reference": "clean.png", "degraded": "small.png", "mos": "2", "method": "x"}]
    rows += [{"image": "b.png", "reference": "clean.png", "degraded": "", "mos": "4", "method": "y"}]
    write_csv(tmp_path / "scores.csv", rows)
    table = read_labels("csv", tmp_path / "scores.csv")
    first, second = table.rows
    assert (first.degraded, second.degraded) == (tmp_path / "small.png", None)
    assert (first.content, second.content) == ("clean", "clean")
    assert [table.quality(row) for row in table.rows] == [0, 1]
    write_csv(tmp_path / "dmos.csv", [{"image": "a.png", "dmos": "2"}, {"image": "b.png", "dmos": "4"}])
    turned = read_labels("csv", tmp_path / "dmos.csv")
    assert [turned.quality(row) for row in turned.rows] == [1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,score\na.png,1\n", "has no column 'mos'"),
        ("file,mos\na.png,1\n", "has no column 'image'"),
        ("image,mos\na.png,good\n", "scores.csv, line 2, a.png: 'good' is no score"),
        ("image,mos\na.png,nan\n", "a.png: 'nan' is no score; expected a finite number"),
        ("image,mos\na.png,inf\n", "expected a finite number"),
        ("image,mos,dmos\na.png,1,2\n", "has the columns mos and dmos; expected one"),
        ("image,mos\n,1\n", "line 2: no image is named"),
        ("image,mos\na.png,1\na.png,2\n", "scores.csv, line 3: a.png is listed with the scores 1.0 and 2.0"),
        ("image,mos\na.png\n", "line 2: more or fewer fields"),
        ("image,mos\n", "expected image,mos and at least one row"),
        ("image,mos\ngone.png,1\n", "^scores.csv: none of the 1 listed images is there"),
    ],
)
def test_a_csv_that_is_wrong_is_named(tmp_path, text, message):
    touch(tmp_path / "a.png")
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(irq.UsageError, match=message):
        read_labels("csv", tmp_path / "scores.csv")


def table_of(contents=10, each=4):
    rows = [
        Row(Path(f"{content}_{index}.png"), float(index), f"c{content}", distortion=f"d{index}")
        for content in range(contents)
        for index in range(each)
    ]
    return LabelTable("made", tuple(rows), (0, 3), True)


@pytest.mark.parametrize("by", ["content", "distortion"])
def test_a_split_parts_no_group_and_loses_nothing(by):
    table = table_of()
    parts = table.split(seed=0, by=by)
    groups = [{getattr(row, by) for row in part.rows} for part in parts]
    assert sum(len(part.rows) for part in parts) == len(table.rows)
    assert all(groups)
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])


def test_splits_are_reproducible_and_differ_between_seeds():
    table = table_of()
    first = [[row.image for row in part.rows] for part in table.split(seed=1)]
    assert first == [[row.image for row in part.rows] for part in table.split(seed=1)]
    assert first != [[row.image for row in part.rows] for part in table.split(seed=2)]
    assert [len({row.content for row in part.rows}) for part in table.split(seed=1)] == [6, 2, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shares": (0.5, 0.2)}, "expected positive numbers that sum to 1"),
        ({"by": "colour"}, "expected 'content' or 'distortion'"),
        ({"shares": (0.2,) * 5, "by": "distortion"}, "4 groups by distortion, too few for 5 parts"),
    ],
)
def test_an_impossible_split_is_refused(options, message):
    with pytest.raises(irq.UsageError, match=message):
        table_of().split(seed=0, **options)


def test_what_is_missing_and_what_no_list_names_is_said_once(tmp_path):
    make_kadid10k(tmp_path)
    (tmp_path / "images" / "I01.png").unlink()
    touch(tmp_path / "images" / "I99_01_01.png")
    notes = read_labels("kadid10k", tmp_path).notes
    assert any("1 references are missing: I01.png" in note for note in notes)
    assert any("1 images are in no list: I99_01_01.png" in note for note in notes)


def test_a_broken_line_is_named_with_its_file(tmp_path):
    make_pipal(tmp_path)
    with (tmp_path / "Train_Label" / "A0001.txt").open("a") as file:
        file.write("A0001_00_07.bmp\n")
    with pytest.raises(irq.UsageError, match=r"A0001.txt: 'A0001_00_07.bmp' has 1 parts; expected 2"):
        read_labels("pipal", tmp_path)


def test_fields_that_no_column_names_spoil_no_message(tmp_path):
    (tmp_path / "labels.csv").write_text("im.5\nb.png,2\n")
    with pytest.raises(irq.UsageError, match=r"has no column 'image'; it has im\.5$"):
        read_labels("csv", tmp_path / "labels.csv")


def test_a_space_after_the_comma_is_no_matter(tmp_path):
    make_pipal(tmp_path)
    label = tmp_path / "Train_Label" / "A0001.txt"
    label.write_text(label.read_text().replace(",", ", "))
    assert len(read_labels("pipal", tmp_path).rows) == 4


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(irq.UsageError, match="nowhere: no such folder"):
        read_labels("kadid10k", tmp_path / "nowhere")


def test_a_split_depends_on_seed_and_contents_alone():
    table = table_of()
    parts = [{row.content for row in part.rows} for part in table.split(3)]
    renamed = dataclasses.replace(table, name="moved")
    assert [{row.content for row in part.rows} for part in renamed.split(3)] == parts
    larger = dataclasses.replace(table, rows=(*table.rows, Row(Path("z.png"), 1.0, "c_new")))
    moved = [
        len(before - {row.content for row in part.rows}) for before, part in zip(parts, larger.split(3), strict=True)
    ]
    assert sum(moved) <= 2  # a further content shifts the boundaries between parts, and nothing else


ODD_CELLS = ["", "-1", "nan", "1e400", "../../x.png", "I01.png", "_", "a_b_c_d", "a\0b", '"', ",", "画像.bmp"]


@pytest.mark.parametrize("layout", ["pipal", "kadid10k", "tid2013", "csiq", "koniq10k"])
def test_an_odd_cell_anywhere_is_an_error_of_ours_or_a_table(layout, tmp_path):
    MAKERS[layout](tmp_path)
    path = next(path for path in sorted(tmp_path.rglob("*")) if path.suffix in (".txt", ".csv"))
    between = " " if layout == "tid2013" else ","
    lines = path.read_text().splitlines()
    refused = 0
    for row, column in ((row, column) for row, line in enumerate(lines) for column in range(line.count(between) + 1)):
        for odd in ODD_CELLS:
            cells = lines[row].split(between)
            cells[column] = odd
            path.write_text("\n".join([*lines[:row], between.join(cells), *lines[row + 1 :]]))
            try:
                read_labels(layout, tmp_path)
            except irq.UsageError:
                refused += 1
    assert refused > len(ODD_CELLS)
