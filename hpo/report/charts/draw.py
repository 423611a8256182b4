"""Draws a chart as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from hpo.report.charts.canvas import Canvas
from hpo.report.charts.scale import Scale, scale, shortened, width_px
from hpo.report.charts.values import Axis, Bars, Chart, Plot, Point, Series
from hpo.report.language import Words

MOST_MARKS = 400
"""Of more points in a series, each is a dot without a name."""


@dataclass(frozen=True)
class Size:
    """How large a chart is drawn; a page shows the one that fits its window."""

    width_px: int
    height_px: int
    font_px: int


WIDE, NARROW = Size(760, 400, 15), Size(360, 320, 12)


def draw(chart: Chart, label: str, words: Words, size: Size = WIDE, style: str = "") -> Markup:
    """Returns a chart as SVG.

    Args:
        chart: What to draw.
        label: What somebody who does not see it has to know.
        words: The language.
        size: How large.
        style: CSS, where it is to stand alone.
    """
    canvas = _bars(chart, words, size) if isinstance(chart, Bars) else _plot(chart, words, size)
    return canvas.svg(label, style)


def _plot(plot: Plot, words: Words, size: Size) -> Canvas:
    canvas = Canvas(size.width_px, size.height_px, size.font_px)
    font = size.font_px
    top = _legend(canvas, plot, words) + 2.1 * font
    bottom = size.height_px - 3.1 * font
    spans = [end for series in plot.series for span in series.spans for end in span]
    points = [point for series in plot.series for point in series.points]
    up = _scale(plot.y, [y for _, y in points] + spans, bottom, top + 0.8 * font)
    ticks = up.ticks(5)
    left = max((width_px(words.number(t, plot.y.number), font) for t in ticks), default=0) + font
    across = _scale(plot.x, [x for x, _ in points], left, size.width_px - 1.2 * font)
    canvas.text(0, top - 0.2 * font, words.text(plot.y.title), look="strong")
    _grid(canvas, plot, words, across, up)
    taken = [_around(across.place(x), up.place(y), font) for x, y in points]
    for series in sorted(plot.series, key=lambda s: s.kind == "points"):
        _series(canvas, series, words, across, up, taken)
    return canvas


def _scale(axis: Axis, values: list[float], begin_px: float, end_px: float) -> Scale:
    return scale(values, (axis.low, axis.high), (begin_px, end_px), axis.log)


def _legend(canvas: Canvas, plot: Plot, words: Words) -> float:
    """Writes what the marks mean; returns where it ends."""
    font, x, y = canvas.font_px, 0.0, 1.1 * canvas.font_px
    for series in plot.series:
        name = shortened(words.text(series.name), canvas.width_px - 3 * font, font)
        room = width_px(name, font) + 3.4 * font
        if x and x + room > canvas.width_px:
            x, y = 0.0, y + 1.6 * font
        if series.kind == "points":
            canvas.mark(x + 0.8 * font, y - 0.35 * font, series.role)
        else:
            look = "dashed" if series.kind == "guide" else "line"
            canvas.line(
                x, y - 0.35 * font, x + 1.6 * font, y - 0.35 * font, f"{look} {series.role}"
            )
        canvas.text(x + 2 * font, y, name)
        x += room
    return y


def _grid(canvas: Canvas, plot: Plot, words: Words, across: Scale, up: Scale) -> None:
    font, right = canvas.font_px, across.end_px
    for tick in up.ticks(5):
        y = up.place(tick)
        canvas.line(across.begin_px, y, right, y, "grid")
        canvas.text(
            across.begin_px - 0.5 * font,
            y + 0.35 * font,
            words.number(tick, plot.y.number),
            "end",
            "end",
        )
    ends = 0.0
    for tick in across.ticks(max(2, int((right - across.begin_px) / (5 * font)))):
        x, text = across.place(tick), words.number(tick, plot.x.number)
        half = width_px(text, font) / 2
        if x - half < ends:
            continue
        ends = x + half + 0.5 * font
        canvas.line(x, up.begin_px, x, up.begin_px + 0.3 * font, "grid")
        canvas.text(x, up.begin_px + 1.4 * font, text, "middle", "end")
    title = shortened(words.text(plot.x.title), canvas.width_px, 1.08 * font)
    canvas.text(right, up.begin_px + 2.8 * font, title, "end", "strong")


def _series(
    canvas: Canvas,
    series: Series,
    words: Words,
    across: Scale,
    up: Scale,
    taken: list[tuple[float, float, float, float]],
) -> None:
    at = [(across.place(x), up.place(y)) for x, y in series.points]
    if series.kind == "guide":
        canvas.path(at, f"dashed {series.role}")
    if series.kind in ("line", "step") and at:
        canvas.path(_stairs(at) if series.kind == "step" else at, f"line {series.role}")
    for (x, _), (low, high) in zip(at, series.spans, strict=bool(series.spans)):
        canvas.line(x, up.place(low), x, up.place(high), f"span {series.role}")
    if series.kind == "guide" or (series.kind == "step" and not series.labels):
        return
    if len(at) > MOST_MARKS:
        canvas.dots(at, series.role)
        return
    labels = [words.text(label) for label in series.labels] or [""] * len(at)
    for (x, y), label in zip(at, labels, strict=True):
        canvas.mark(x, y, series.role, label)
        if series.named:
            _label(canvas, x, y, label, across.end_px, taken)


def _stairs(at: list[Point]) -> list[Point]:
    """Returns the corners of a line that holds each value until the next one."""
    corners = at[:1]
    for (_, before), (x, y) in pairwise(at):
        corners += [(x, before), (x, y)]
    return corners


def _around(x: float, y: float, font: float) -> tuple[float, float, float, float]:
    """Returns the box of a mark, which no name is written over."""
    half = 0.4 * font
    return (x - half, y - half, x + half, y + half)


def _label(
    canvas: Canvas,
    x: float,
    y: float,
    label: str,
    right: float,
    taken: list[tuple[float, float, float, float]],
) -> None:
    """Writes a name beside its point, unless another one is there already."""
    font = canvas.font_px
    text = shortened(label, 0.45 * canvas.width_px, font)
    wide = width_px(text, font)
    for begin, base in (
        (x + 0.7 * font, y - 0.5 * font),
        (x - 0.7 * font - wide, y - 0.5 * font),
        (x + 0.7 * font, y + 1.2 * font),
        (x - 0.7 * font - wide, y + 1.2 * font),
    ):
        box = (begin, base - 0.9 * font, begin + wide, base + 0.2 * font)
        if box[0] < 0 or box[2] > right + font or any(_overlap(box, other) for other in taken):
            continue
        taken.append(box)
        canvas.text(begin, base, text)
        return


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    beside = one[2] < other[0] or other[2] < one[0]
    return not (beside or one[3] < other[1] or other[3] < one[1])


def _bars(chart: Bars, words: Words, size: Size) -> Canvas:
    font = size.font_px
    step = 2.2 * font
    height = 1.6 * font + step * len(chart.bars) + 3.2 * font
    canvas = Canvas(size.width_px, height, font)
    names = [words.text(bar.name) for bar in chart.bars]
    left = min(max((width_px(name, font) for name in names), default=0), 0.4 * size.width_px) + font
    ends = [end for bar in chart.bars for end in (bar.value, *(bar.span or ()))]
    axis = chart.axis
    low = 0.0 if axis.low is None else axis.low
    room = max((width_px(words.number(b.value, axis.number), font) for b in chart.bars), default=0)
    across = scale(ends, (low, axis.high), (left, size.width_px - room - 1.2 * font), log=False)
    canvas.text(0, font, words.text(axis.title), look="strong")
    bottom = 1.8 * font + step * len(chart.bars)
    for tick in across.ticks(max(2, int((across.end_px - left) / (5 * font)))):
        x = across.place(tick)
        canvas.line(x, 1.6 * font, x, bottom, "grid")
        canvas.text(x, bottom + 1.3 * font, words.number(tick, axis.number), "middle", "end")
    for row, (bar, name) in enumerate(zip(chart.bars, names, strict=True)):
        y, end = 1.8 * font + row * step, across.place(bar.value)
        value = words.number(bar.value, axis.number)
        canvas.text(left - 0.6 * font, y + 1.45 * font, shortened(name, left - font, font), "end")
        canvas.bar(left, y + 0.35 * font, end - left, 1.5 * font, bar.role, f"{name}: {value}")
        if bar.span:
            middle = y + 1.1 * font
            ends_at = [across.place(value) for value in bar.span]
            canvas.line(ends_at[0], middle, ends_at[1], middle, "span ink")
            end = max(end, ends_at[1])
        canvas.text(end + 0.5 * font, y + 1.45 * font, value, look="end")
    return canvas
