"""The page of `irq evaluate`: what it says, that it needs nothing else, and that it works in a real browser."""

import html
import json
import re
import subprocess
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation_folders import Called
from PIL import Image

from ir_quality_plugin.data.folders import Pairing, Unpaired
from ir_quality_plugin.data.score_table import ScoreTable
from ir_quality_plugin.data.thumbnails import thumbnail
from ir_quality_plugin.evaluation.run import Evaluated
from ir_quality_plugin.evaluation.summary import summarise
from ir_quality_plugin.metrics.paired import bootstrap_means
from ir_quality_plugin.report import cases
from ir_quality_plugin.report.cases import Case, choose_cases, shoot, window_of
from ir_quality_plugin.report.evaluation import best_first, write_report

METHODS = ("first", "second", "a<b>&c")
NAMES = {"up": True, "down": False}


def pictures(folder, count=4, size=(300, 400)):
    draw = np.random.RandomState(0)
    paths = []
    for index in range(count):
        paths.append(folder / f"picture_{index}.png")
        Image.fromarray(draw.randint(0, 256, (*size, 3), dtype=np.uint8)).save(paths[-1])
    return paths


def write(folder, images=30, methods=METHODS, spoil=lambda table: None):
    """A page of made scores; `first` is better than `second` by both metrics, the third is like `first`."""
    draw = np.random.default_rng(0)
    names = tuple(f"image_{index:04d}" for index in range(images))
    table = ScoreTable.empty(names, methods, tuple(NAMES))
    table.present[:] = True
    advantage = np.array([1.0, 0.0, 1.0])[: len(methods)]
    for index, higher in enumerate(NAMES.values()):
        noise = draw.normal(0, 0.4, (images, len(methods)))
        table.scores[index] = 5 + draw.normal(0, 2, (images, 1)) + (advantage if higher else -advantage) + noise
    spoil(table)
    paths = pictures(folder)
    files = {method: dict.fromkeys(names, paths[index]) for index, method in enumerate(methods)}
    files["degraded"] = dict.fromkeys(names, paths[3])
    pairing = Pairing(names, methods, files, (Unpaired("second", "lost.png", "no method restored it", "lost"),))
    about = {"kind": "pyiqa", "version": "0.1", "range": ""}
    metrics = [Called(name=name, higher_is_better=higher, about=about) for name, higher in NAMES.items()]
    small = thumbnail(torch.rand(3, 90, 120))
    failed = {image for _, image, _ in table.reasons}
    found = Evaluated(table, metrics, {4: images}, 0, {name: small for name in names if name not in failed})
    summary = summarise(found, pairing, {"degraded": Path("/long" * 40)}, None)
    return write_report(folder / "report.html", summary, table, pairing, found.thumbnails, "2026-01-02"), table


def text_of(page):
    body = re.sub(r"<(script|style).*?</\1>", "", page.read_text(), flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", body)))


def test_the_page_says_who_is_first_by_how_much_and_how_surely(tmp_path):
    page, table = write(tmp_path)
    text = text_of(page)
    assert "first, a<b>&c share the first place" in text or "a<b>&c, first share the first place" in text
    page, table = write(tmp_path, methods=METHODS[:2])
    text = text_of(page)
    gain = (table.scores[0, :, 0] - table.scores[0, :, 1]).mean()
    assert f"first is first: ahead of second by +{gain:.3f}" in text
    assert "of 30 images" in text and "95 % interval" in text
    assert "lost (second): no method restored it" in text


def test_the_ranking_has_intervals_and_says_that_paired_differences_decide(tmp_path):
    page, table = write(tmp_path)
    text = text_of(page)
    ranking = text[text.index("Ranking method") : text.index("Scores the images")]
    low, high = bootstrap_means(table.scores[0])[0]
    assert f"{low:.2f} to {high:.2f}" in ranking
    # Whole intervals of the means overlap, and still `second` is surely worse: its rank is the third.
    bounds = bootstrap_means(table.scores[0])
    assert bounds[0, 0] < bounds[1, 1]
    assert re.search(r"second [\d.]+3[\d.]+ to", ranking.replace("\n", " "))
    assert "The paired difference decides" in ranking and "may be chance" in ranking


def test_every_pair_shows_its_interval_and_says_that_it_is_not_corrected(tmp_path):
    page, table = write(tmp_path)
    text = text_of(page)
    gains = table.scores[0, :, 0] - table.scores[0, :, 1]
    low, high = bootstrap_means(gains[:, None])[0]
    assert f"+{low:.3f} to +{high:.3f}" in text[text.index("Differences How far") :]
    assert "not corrected for the number of pairs" in text


def test_a_method_without_scores_has_a_line_in_the_metrics_panel(tmp_path):
    def spoil(table):
        table.scores[0, :, 1] = np.nan

    text = text_of(write(tmp_path, spoil=spoil)[0])
    assert "secondno score" in text[text.index("Scores the images") : text.index("Differences How far")]


def test_few_images_have_means_and_no_interval(tmp_path):
    text = text_of(write(tmp_path, images=5, methods=METHODS[:2])[0])
    assert "too few images have scores of the methods to rank them" in text
    ranking = text[text.index("Ranking method") : text.index("Means over")]
    assert re.search(r"first \d\.\d", ranking) and " to " not in ranking
    assert "nan" not in text and "None" not in text


def test_methods_of_equal_rank_stand_by_the_first_metric():
    ranked = {"behind": (1, 5.0), "last": (3, 9.0), "ahead": (1, 5.1)}
    entries = {name: {"count": 6, "rank": rank, "mean": mean} for name, (rank, mean) in ranked.items()}
    for direction, expected in (("higher", ["ahead", "behind", "last"]), ("lower", ["behind", "ahead", "last"])):
        metrics = {"m": {"direction": f"{direction} is better", "methods": entries}}
        assert best_first({"methods": ranked, "metrics": metrics}) == expected


def test_nothing_is_loaded_from_elsewhere_and_names_are_escaped(tmp_path):
    text = write(tmp_path)[0].read_text()
    assert "a<b>" not in text
    sources = re.findall(r'\b(?:src|href)="([^"]*)"', text)
    assert sources and all(source.startswith(("data:image/webp;base64,", "#")) for source in sources)
    assert "url(" not in text and "@import" not in text and "://" not in re.sub(r"data:[^\"]*", "", text)


def test_a_failure_is_listed_once_with_its_metrics(tmp_path):
    def spoil(table):
        table.scores[:, 3, 1] = np.nan
        table.scores[0, 4, 1] = np.nan
        table.reasons.update({(name, "image_0003", "second"): "it is damaged" for name in NAMES})
        table.reasons["up", "image_0004", "second"] = "too small"

    text = text_of(write(tmp_path, spoil=spoil)[0])
    assert "2 could not be scored" in text
    assert "image_0003 of second (all metrics): it is damaged" in text
    assert "image_0004 of second (up): too small" in text


def test_the_page_has_the_day_of_the_run_and_no_other(tmp_path):
    text = text_of(write(tmp_path)[0])
    assert "begun 2026-01-02" in text and date.today().isoformat() not in text


def test_the_ranking_counts_the_images_of_a_mean_where_some_are_missing(tmp_path):
    def spoil(table):
        table.scores[0, 3:5, 1] = np.nan

    text = text_of(write(tmp_path, spoil=spoil)[0])
    ranking = text[text.index("Ranking method") : text.index("Means over")]
    assert ranking.count("28 images") == 1 and ranking.count("images") == 1


def test_a_method_that_is_nowhere_clearly_behind_is_said_to_be(tmp_path):
    def spoil(table):
        table.scores[0, :, 0] = table.scores[0].max() + 1
        table.scores[1, :, 0] = table.scores[1].min() - 1

    page, table = write(tmp_path, spoil=spoil)
    text = text_of(page)
    assert "Nowhere clearly behind: first." in text and "less than 0.2 sd is not shown" in text
    table.scores[:, :, 1] = table.scores[:, :, 0] + 0.001
    _, worst = choose_cases(table, list(NAMES.values()))
    assert {case.about for case in worst} == {"a<b>&c"}


def test_the_images_to_look_at_are_those_with_the_largest_differences(tmp_path):
    def spoil(table):
        table.scores[0, 7, 1] -= 30
        table.scores[1, 9, 0] += 50

    _, table = write(tmp_path, spoil=spoil)
    differing, worst = choose_cases(table, list(NAMES.values()))
    assert {case.image for case in differing[:2]} == {"image_0007", "image_0009"}
    first_of = {case.about: case for case in reversed(worst)}
    assert first_of["second"].image == "image_0007"
    assert first_of["first"].image == "image_0009"
    assert all(case.methods[-1] == case.about and len(case.methods) == 2 for case in worst)


def test_scores_that_are_missing_or_alike_break_no_choice(tmp_path):
    def spoil(table):
        table.scores[0] = 1.0
        table.scores[1] = np.nan

    page, table = write(tmp_path, spoil=spoil)
    assert choose_cases(table, list(NAMES.values())) == ([], [])
    assert "no method has a score" in text_of(page)


def test_a_large_image_is_cut_where_the_methods_differ():
    one = torch.full((3, 800, 1000), 100, dtype=torch.uint8)
    other = one.clone()
    other[:, 600:660, 120:180] += 50
    top, left, height, width = window_of([one, other])
    assert (height * 800, width * 1000) == pytest.approx((224, 224))
    assert top * 800 <= 600 and top * 800 + 224 >= 660
    assert left * 1000 <= 120 and left * 1000 + 224 >= 180


def test_large_images_are_read_one_at_a_time_and_cut_at_their_centre(tmp_path, monkeypatch):
    paths = pictures(tmp_path)
    files = {method: {"one": paths[index]} for index, method in enumerate(METHODS)} | {"degraded": {"one": paths[3]}}
    pairing, case = Pairing(("one",), METHODS, files, ()), Case("one", METHODS, None, 1.0)
    searched = shoot(case, pairing)
    monkeypatch.setattr(cases, "SEARCHED_PIXELS", 1000)
    cut = shoot(case, pairing)
    assert [shot.name for shot in cut.shots] == [shot.name for shot in searched.shots] == ["degraded", *METHODS]
    top, left, height, width = cut.window
    assert (top + height / 2, left + width / 2) == pytest.approx((0.5, 0.5), abs=0.01)
    assert cut.whole == searched.whole and all(shot.source for shot in cut.shots)


PROBE = """
<script>
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
(async () => {
  await wait(300);
  const list = document.getElementById("images"), opened = performance.getEntriesByType("navigation")[0];
  const found = {errors: [...window.problems], opened: opened.loadEventEnd};
  const resources = performance.getEntriesByType("resource").map((entry) => entry.name);
  found.fetched = resources.filter((name) => !name.startsWith("data:"));
  found.rows = list.querySelectorAll("tbody tr").length;
  list.scrollTop = list.scrollHeight;
  list.dispatchEvent(new Event("scroll"));
  await wait(100);
  found.more = list.querySelectorAll("tbody tr").length;
  found.pictures = [...list.querySelectorAll("tbody tr")].slice(0, 5).map((row) => row.querySelectorAll("img").length);
  found.reason = list.querySelectorAll("tbody tr")[3].cells[0].innerText;
  const table = document.querySelector("#ranking ~ .scroll"), cell = table.querySelector("tbody td");
  table.scrollLeft = 200;
  found.held = cell.getBoundingClientRect().left - table.getBoundingClientRect().left;
  const corner = list.querySelector("tbody td");
  list.scrollLeft = 200;
  found.name_held = corner.getBoundingClientRect().left - list.getBoundingClientRect().left;
  list.scrollLeft = 0;
  document.getElementById("find").value = "0012";
  document.getElementById("find").dispatchEvent(new Event("input"));
  found.filtered = [...list.querySelectorAll("tbody tr")].map((row) => row.cells[0].innerText.trim());
  document.getElementById("find").value = "";
  document.getElementById("find").dispatchEvent(new Event("input"));
  list.querySelectorAll("thead button")[1].click();
  found.worst = list.querySelector("tbody tr").cells[1].innerText;
  list.querySelectorAll("thead button")[1].click();
  found.best = list.querySelector("tbody tr").cells[1].innerText;
  const lens = document.querySelector(".lens"), box = lens.getBoundingClientRect();
  const [clientX, clientY] = [box.left + box.width / 4, box.top + box.height / 2];
  lens.dispatchEvent(new PointerEvent("pointermove", {bubbles: true, pointerType: "mouse", clientX, clientY}));
  found.zoomed = [...lens.closest(".shots").querySelectorAll("img")].map((img) => getComputedStyle(img).transform);
  found.aim = lens.closest(".shots").style.getPropertyValue("--x");
  found.shown = [...document.querySelectorAll("details[open] img, .case > .shots img")].every((img) => img.complete);
  found.width = document.documentElement.clientWidth;
  found.wide = document.documentElement.scrollWidth;
  found.paper = getComputedStyle(document.body).backgroundColor;
  new Image().src = "https://nowhere.invalid/picture.png";
  await wait(100);
  found.refused = window.refused;
  parent.postMessage(JSON.stringify(found), "*");
})();
</script>
"""
FRAME = """<!doctype html><iframe src="probed.html" style="width:{width}px;height:900px;border:0"></iframe>
<pre></pre><script>onmessage = (event) => {{ document.querySelector("pre").textContent = event.data; }};</script>"""
GUARD = """<head><script>
window.problems = []; onerror = (message) => { problems.push(message); };
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) => { refused.push(event.blockedURI); });
</script>"""


@pytest.fixture(scope="module")
def large_page(tmp_path_factory):
    def spoil(table):
        table.scores[:, 3] = np.nan
        table.reasons.update({(name, "image_0003", method): "it is damaged" for name in NAMES for method in METHODS})

    return write(tmp_path_factory.mktemp("page"), images=1000, spoil=spoil)


def look(browser, page, width, dark=False):
    """Open a page in a frame of a width, use it, and tell what was found."""
    folder = page.parent
    probed = page.read_text().replace("<head>", GUARD, 1).replace("</body>", PROBE + "</body>")
    (folder / "probed.html").write_text(probed)
    (folder / "frame.html").write_text(FRAME.format(width=width))
    line = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'browser'}"]
    line += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--virtual-time-budget=8000", "--dump-dom"]
    done = subprocess.run([*line, f"file://{folder / 'frame.html'}"], capture_output=True, text=True, timeout=120)
    found = re.search(r"<pre>(\{.*\})</pre>", done.stdout, flags=re.S)
    assert found, done.stdout[-500:] + done.stderr[-2000:]
    return json.loads(html.unescape(found[1]))


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
def test_a_page_of_a_thousand_images_works_in_a_browser(large_page, browser, width, dark):
    page, table = large_page
    found = look(browser, page, width, dark)
    assert found["errors"] == []
    assert found["opened"] > 0  # how fast hangs on what else the machine does; why it is fast is asserted below
    assert found["fetched"] == [] and found["refused"] == ["https://nowhere.invalid/picture.png"]
    assert found["rows"] == 60 and found["more"] == 120  # drawn as it is scrolled
    assert found["filtered"] == ["image_0012"]
    assert found["pictures"] == [1, 1, 1, 0, 1] and "it is damaged" in found["reason"]
    assert 0 <= found["held"] < 2 and 0 <= found["name_held"] < 2
    column = np.nan_to_num(table.scores[0], nan=table.scores[0, 0, 0])
    by_name = dict(zip(("first", "second", "a<b>&c"), column.T, strict=True))
    best = {f"{scores.max():.2f}" for scores in by_name.values()}
    assert found["best"] in best and float(found["worst"]) < float(found["best"])
    assert len(found["zoomed"]) >= 3 and set(found["zoomed"]) == {"matrix(3, 0, 0, 3, 0, 0)"}
    assert found["aim"] == "25%"
    assert found["shown"]
    assert found["width"] <= width and found["wide"] <= found["width"]  # nothing sticks out to the side
    assert found["paper"] == ("rgb(22, 24, 27)" if dark else "rgb(251, 250, 247)")
    assert page.stat().st_size < 8e6
