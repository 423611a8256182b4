"""Tests of the drawn charts."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from hpo.report.blocks import Name, say
from hpo.report.charts.canvas import look_alone
from hpo.report.charts.draw import MOST_MARKS, NARROW, WIDE, Size, draw
from hpo.report.charts.tables import table_of
from hpo.report.charts.values import ROLES, Axis, Bar, Bars, Chart, Plot, Series
from hpo.report.language import load

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "</title><script>alert(1)</script>\x00\x1b[31m & \"' ملف 한국어" + "x" * 200
WORDS = load("en")


def plot(points: int, kind: str = "points", name: str = "a") -> Plot:
    """A plot of some points with names."""
    series = Series(
        say("field.named", name=Name(name), network="b"),
        tuple((float(i), i / 10) for i in range(points)),
        kind=kind,  # type: ignore[arg-type]
        labels=tuple(Name(name) for _ in range(points)),
        spans=tuple((i / 10 - 0.1, i / 10 + 0.1) for i in range(points)),
        named=True,
    )
    title = say("field.metric", metric=name)
    return Plot(Axis(title), Axis(title, ".0%"), (series,))


BARS = Bars(Axis(say("mattered.share"), ".0%"), say("mattered.setting"), (Bar(Name(NASTY), 0.5),))


def texts(chart: Chart, size: Size = WIDE) -> list[str]:
    """Parses a chart and returns the names of its elements and its texts."""
    root = ElementTree.fromstring(draw(chart, NASTY, WORDS, size))
    assert not list(root.iter(f"{SVG}script"))
    assert not [key for each in root.iter() for key in each.attrib if key.startswith("on")]
    return [each.text or "" for each in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("size", [WIDE, NARROW])
@pytest.mark.parametrize(
    "chart", [plot(3, name=NASTY), BARS, plot(0), plot(1), Bars(*BARS.__dict__.values())]
)
def test_a_chart_is_sound_whatever_names_are(chart: Chart, size: Size) -> None:
    """Names are never markup; control characters, which XML forbids, are replaced."""
    assert texts(chart, size)


@pytest.mark.parametrize("kind", ["points", "line", "step", "guide"])
def test_every_kind_of_series_is_drawn(kind: str) -> None:
    """Also where it has one point."""
    for points in (1, 5):
        assert texts(plot(points, kind))


def test_very_many_points_take_little_room() -> None:
    """Ten thousand trials must not make the page large."""
    assert len(draw(plot(MOST_MARKS + 1), "", WORDS)) < len(draw(plot(MOST_MARKS), "", WORDS)) * 2
    many = Plot(plot(0).x, plot(0).y, (Series(say("field.search"), plot(10_000).series[0].points),))
    assert len(draw(many, "", WORDS)) < 250_000


def test_the_table_has_every_figure() -> None:
    """It is what somebody reads who does not see the chart."""
    table = table_of(plot(3))
    assert [row[2:] for row in table.rows] == [
        [0.0, 0.0, -0.1, 0.1],
        [1.0, 0.1, 0.0, 0.2],
        [2.0, 0.2, 0.1, 0.30000000000000004],
    ]
    assert table_of(BARS).rows == [[Name(NASTY), 0.5]]


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("name", ROLES)
def test_marks_stand_out_from_their_ground(name: str) -> None:
    """By 3 to 1 at least (WCAG 2.2, 1.4.11), in light and dark."""
    role = ROLES[name]
    for mark, ground in ((role.light, "#ffffff"), (role.dark, "#14171c")):
        lighter, darker = sorted((_luminance(mark), _luminance(ground)), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 3


def test_a_chart_alone_brings_its_colours() -> None:
    """An image viewer knows no style sheet of a page."""
    assert all(role.light in look_alone("Arial") for role in ROLES.values())
