"""Plots inside of a page: well-formed, in the page's colours, and small for many points."""

from xml.etree import ElementTree

import numpy as np
import pytest

from ir_quality_plugin.report.plots import interval_plot, scatter_plot
from ir_quality_plugin.report.text import text_of

SVG = "{http://www.w3.org/2000/svg}"


def scatter(count):
    scores = np.linspace(0, 1, count)
    return scatter_plot(scores, scores**2, scores, "a <metric> & more", ("score", "opinion"))


def test_a_plot_is_well_formed_and_takes_the_pages_colours_and_width():
    for plot in (scatter(20), interval_plot(["a", "b <c>"], [0.1, float("nan")], [(0, 0.2)] * 2, "SRCC")):
        root = ElementTree.fromstring(str(plot))
        assert root.tag == f"{SVG}svg" and root.get("width") is None and root.get("viewBox")
        assert root.get("role") == "img" and root.get("aria-label")
        assert "var(--accent)" in plot and "#0b6e99" not in plot
    assert "a &lt;metric&gt; &amp; more" in scatter(20)


def test_names_with_dollars_stand_as_they_are():
    name = "net $x_1$ \\ $"
    scores = np.linspace(0, 1, 20)
    for plot in (
        interval_plot([name], [0.1], [(0, 0.2)], name),
        scatter_plot(scores, scores, scores, name, (name, "opinion")),
    ):
        assert plot.count(name) >= 2


def test_the_same_data_make_the_same_plot():
    assert scatter(50) == scatter(50)


def test_many_points_do_not_make_a_large_page():
    assert len(scatter(20_000)) < 100_000


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.1234, ".3f", "0.123"),
        (-0.1234, ".3f", "\N{MINUS SIGN}0.123"),
        (-0.0001, ".2f", "0.00"),
        (None, ".3f", "\N{EN DASH}"),
    ],
)
def test_numbers_are_written_as_in_print(value, form, text):
    assert text_of(value, form) == text
