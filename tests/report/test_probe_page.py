"""The page of `irq probe`: nothing of it is cut off at any width, and it marks what must not be compared."""

import html
import json
import re
import subprocess

import numpy as np
import pytest
from PIL import Image

from ir_quality_plugin.report.probe_page import write_probe_page

NAMES = {"ckdn-s": None, "teacheriqa-s (net_g_latest)": None, "ssim": "reference", "ms_ssim": "reference"}
WIDTHS = (360, 390, 768, 1100, 1600)


def metric_of(needs, gain):
    return {
        "higher_is_better": True,
        "needs": needs,
        "origin": "a test",
        "images": 2,
        "gain": gain,
        "gain_interval": [-0.0123, 10 * gain],
        "gain_median": gain,
        "gain_greatest": 13.54,
        "beyond_reference_before": 0.8,
        "beyond_reference": 1.0,
        "gradient_l1": -123.4,
        "first_order_gain": 13.54,
        "natural_range": 0.000308,
        "between_starts": 0.03,
        "judged_by_others": dict.fromkeys(NAMES, 0.1),
    }


def write(folder, reference="given"):
    picture = np.random.RandomState(0).randint(0, 256, (64, 64, 3), dtype=np.uint8)
    for name in ("before", "after"):
        Image.fromarray(picture).save(folder / f"{name}.png")
    metrics = {name: metric_of(needs, 0.2 - 0.04 * index) for index, (name, needs) in enumerate(NAMES.items())}
    document = {
        "attack": {"epsilon_255": 2, "steps": 20, "step_255": 1.0, "starts": 2, "seed": 0},
        "images": 2,
        "degraded": "given",
        "reference": reference,
        "metrics": metrics,
        "notes": ["2 images are few"],
        "failures": [{"image": "a" * 90 + ".png", "metric": "ssim", "reason": "no number"}],
        "unpaired": [{"folder": "reference", "file": "lost.png", "reason": "no file of it"}],
    }
    row = {"original": "before.png", "picture": "after.png", "reason": "", "start": -4.0, "gamed": 1.0}
    rows = [
        {**row, "image": f"{'long_' * 12}{index}.webp", "metric": name, "gain": 0.1 * index}
        for name in NAMES
        for index in range(2)
    ]
    return write_probe_page(folder / "report.html", document, rows, "a test")


def text_of(page):
    body = re.sub(r"<(script|style|svg).*?</\1>", "", page.read_text(), flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


def test_metrics_that_see_the_clean_image_stand_apart_whatever_they_gain(tmp_path):
    text = text_of(write(tmp_path))
    gains = text[text.index("Gains") : text.index("Hardest to game first")]
    places = [
        gains.index(words) for words in ("Without the clean image", "ckdn-s", "They see the clean image", "ssim ↑")
    ]
    assert places == sorted(places)
    assert text.count("lost.png") == 1 and "2 images are few." in text
    assert "\N{MINUS SIGN}4" in text


def test_without_clean_images_nothing_is_said_of_them(tmp_path):
    assert "above the clean image" not in text_of(write(tmp_path, reference="none")).lower()


LOOK = """<script>addEventListener("load", () => {
  const right = document.documentElement.clientWidth;
  const parts = [...document.querySelectorAll(".gains, .gains td, .figure svg, .triple img, .notes, li")];
  const cut = parts.filter((part) => part.getBoundingClientRect().right > right + 0.5);
  parent.postMessage({width: right, wide: document.documentElement.scrollWidth, cut: cut.length,
    paper: getComputedStyle(document.body).backgroundColor}, "*");
});</script></body>"""


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_cut_off_at_any_width(tmp_path, browser, dark):
    page = write(tmp_path).read_text()
    (tmp_path / "looked.html").write_text(page.replace("</body>", LOOK))
    frames = "".join(f'<iframe src="looked.html" style="width:{w}px;height:900px;border:0"></iframe>' for w in WIDTHS)
    collect = "const found = []; onmessage = (event) => { found.push(event.data); "
    collect += "document.querySelector('pre').textContent = JSON.stringify(found); };"
    (tmp_path / "frames.html").write_text(f"<!doctype html><pre></pre><script>{collect}</script>{frames}")
    line = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'browser'}"]
    line += [f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--virtual-time-budget=5000", "--dump-dom"]
    done = subprocess.run([*line, f"file://{tmp_path / 'frames.html'}"], capture_output=True, text=True, timeout=120)
    found = json.loads(html.unescape(re.search(r"<pre>(.*?)</pre>", done.stdout, flags=re.S)[1]))
    assert len(found) == len(WIDTHS)
    for frame in found:
        assert frame["wide"] <= frame["width"] and frame["cut"] == 0, frame
        assert frame["paper"] == ("rgb(22, 24, 27)" if dark else "rgb(251, 250, 247)")
