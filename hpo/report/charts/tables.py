"""The figures of a chart as a table, for who does not see it and who wants to know them."""

from __future__ import annotations

from hpo.report.blocks import Cell, Column, Table, say
from hpo.report.charts.values import Bars, Chart, Plot


def table_of(chart: Chart) -> Table:
    """Returns every figure that a chart shows."""
    return _of_bars(chart) if isinstance(chart, Bars) else _of_plot(chart)


def _of_bars(chart: Bars) -> Table:
    number = chart.axis.number
    spans = any(bar.span for bar in chart.bars)
    columns = [Column(chart.names), Column(chart.axis.title, number), *_ends(number, spans)]
    rows: list[list[Cell]] = [
        [bar.name, bar.value, *((bar.span or (None, None)) if spans else ())] for bar in chart.bars
    ]
    return Table(say("chart.data"), columns, rows)


def _of_plot(plot: Plot) -> Table:
    shown = [series for series in plot.series if series.kind != "guide"]
    labels, spans = (any(s.labels for s in shown), any(s.spans for s in shown))
    columns = [
        Column(say("chart.series")),
        *([Column(say("chart.what"))] if labels else []),
        Column(plot.x.title, _finer(plot.x.number)),
        Column(plot.y.title, _finer(plot.y.number)),
        *_ends(_finer(plot.y.number), spans),
    ]
    rows: list[list[Cell]] = []
    for series in shown:
        for place, (x, y) in enumerate(series.points):
            row: list[Cell] = [series.name]
            if labels:
                row.append(series.labels[place] if series.labels else None)
            row += [x, y]
            if spans:
                row += series.spans[place] if series.spans else (None, None)
            rows.append(row)
    return Table(say("chart.data"), columns, rows)


def _ends(number: str, spans: bool) -> list[Column]:
    return [Column(say("chart.low"), number), Column(say("chart.high"), number)] if spans else []


def _finer(number: str) -> str:
    """Returns the format of a figure where that of an axis is too coarse."""
    return {".0%": ".1%", ",.0f": ",.1f"}.get(number, number)
