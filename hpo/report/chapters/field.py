"""Chapter 2: all that was tried, over time, by rank, and against what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hpo.report import terms
from hpo.report.blocks import (
    Block,
    Cell,
    Chapter,
    Column,
    Figure,
    Heading,
    Name,
    Phrase,
    Table,
    Text,
    say,
)
from hpo.report.chapters.times import ends_s, unit_of
from hpo.report.chapters.verdict import what
from hpo.report.charts.values import Axis, Plot, Point, Series
from hpo.report.facts import StudyFacts
from hpo.results.comparison import SEARCHED, Comparison, Gain
from hpo.results.trial_rows import TrialRow
from studies.metrics import METRICS, Metric

LEADERS = 15
BYTES = 4
"""Of a weight in float32, as an export holds it."""


def chapter(facts: StudyFacts) -> Chapter | None:
    """Returns the field; None of a study without trials."""
    if not facts.rows:
        return None
    return Chapter("field", tuple(_blocks(facts)))


def _blocks(facts: StudyFacts) -> Iterator[Block]:
    seconds = sum(row.attributes.get("seconds", 0.0) for row in facts.rows)
    length, unit = unit_of(seconds)
    yield Text(
        say(
            "field.tried" if seconds else "field.untrained",
            count=len(facts.rows),
            endings=terms.endings(facts.rows),
            time=seconds / length,
            unit=unit,
        )
    )
    if over_time := _over_time(facts):
        yield over_time
    if facts.ranked:
        yield Heading(say("field.leaders"))
        yield _leaders(facts)
    if frontier := _frontier(facts):
        yield frontier
    if facts.comparison and len(facts.comparison.rows) > 1:
        yield Heading(say("field.baselines"))
        yield _baselines(facts.comparison)
        if facts.comparison.published:
            yield Text(say("field.published", who=Name(facts.comparison.published_by)), "note")
    if imported := [row for row in facts.rows if row.ending == "imported"]:
        yield _imported(imported, facts.metric)


def _over_time(facts: StudyFacts) -> Figure | None:
    ends = ends_s(facts.rows)
    if not ends:
        return None
    last = max(ends.values())
    length, unit = unit_of(last)
    kinds: dict[str, list[tuple[Point, TrialRow]]] = {}
    for row in facts.rows:
        value = row.best_so_far(facts.metric)
        if value is not None and row.ending != "imported":
            at = ends.get(row.number, last) / length
            kinds.setdefault(kind_of(row), []).append(((at, value), row))
    if not kinds:
        return None
    series = [
        Series(
            say(f"field.{kind}"),
            tuple(point for point, _ in found),
            role={"pruned": "guide"}.get(kind, kind),
            labels=tuple(_label(row) for _, row in found),
        )
        for kind, found in sorted(kinds.items())
    ]
    done = [(point, row) for found in kinds.values() for point, row in found if row.ranked]
    steps = _best_so_far(sorted((point for point, _ in done)), facts.metric)
    if steps:
        end = (last / length, steps[-1][1])
        series.insert(0, Series(say("field.best_so_far"), (*steps, end), "best", "step"))
    chart = Plot(
        Axis(say("field.time_axis", unit=unit), ",.4g", low=0.0),
        Axis(_value_title(facts.metric), _value_number(facts.metric)),
        tuple(series),
    )
    first, best = steps[0] if steps else (0.0, 0.0), steps[-1] if steps else (0.0, 0.0)
    alt = say(
        "field.time_alt",
        metric=terms.metric(facts.metric),
        first=first[1],
        best=best[1],
        time=best[0],
        unit=unit,
    )
    return Figure(say("field.time_caption"), chart, alt)


def kind_of(row: TrialRow) -> str:
    """Returns what a trial is drawn as."""
    if row.label:
        return "baseline"
    if not row.ranked:
        return "pruned"
    return "race" if row.solved else "search"


def _label(row: TrialRow) -> Phrase:
    return say("field.label", trial=row.number, network=what(row))


def _short(row: TrialRow) -> Phrase:
    settings = row.settings
    backbone, size = settings["model.backbone"], settings["model.image_size_px"]
    return say("field.short", backbone=Name(backbone), size=size)


def _best_so_far(points: Sequence[Point], metric: Metric) -> list[Point]:
    found: list[Point] = []
    for x, y in points:
        if not found or metric.order(y) < metric.order(found[-1][1]):
            found.append((x, y))
    return found


def _value_title(metric: Metric) -> Phrase:
    return say("field.value_axis", metric=terms.metric(metric))


def _value_number(metric: Metric) -> str:
    return ".0%" if metric.maximize else ".3g"


def _leaders(facts: StudyFacts) -> Table:
    metric = facts.metric
    accuracy = METRICS["accuracy"]
    columns = [
        Column(say("field.rank"), "d"),
        Column(say("field.trial"), "d"),
        Column(say("field.network")),
        *(
            [Column(say("field.metric", metric=terms.metric(metric)), ".4f")]
            if metric is not accuracy
            else []
        ),
        Column(say("field.accuracy"), ".1%"),
        Column(say("field.ms"), ".1f"),
        Column(say("field.mb"), ".1f"),
        Column(say("field.seconds"), ",.0f"),
    ]
    shown = list(enumerate(facts.ranked, start=1))
    kept = [pair for pair in shown if pair[0] <= LEADERS or pair[1].label]
    rows: list[list[Cell]] = [
        [
            rank,
            row.number,
            _named(row),
            *([row.value] if metric is not accuracy else []),
            row.figure(accuracy),
            facts.latency_ms.get(row.number),
            megabytes(row),
            row.attributes.get("seconds"),
        ]
        for rank, row in kept
    ]
    caption = say("field.leaders_caption", count=len(facts.ranked), shown=len(kept))
    return Table(caption, columns, rows)


def megabytes(row: TrialRow) -> float | None:
    """Returns the size of a trial's weights in an exported file, 10^6 bytes."""
    parameters = row.attributes.get("parameters")
    return None if parameters is None else BYTES * parameters / 1e6


def _named(row: TrialRow) -> Phrase:
    if not row.label:
        return what(row)
    return say("field.named", name=Name(row.label), network=what(row))


def _frontier(facts: StudyFacts) -> Figure | None:
    """Returns accuracy against latency, the trials that no other beats in both joined."""
    timed = [
        (facts.latency_ms[row.number], accuracy, row)
        for row in facts.ranked
        if row.number in facts.latency_ms
        and (accuracy := row.figure(METRICS["accuracy"])) is not None
    ]
    if len({ms for ms, _, _ in timed}) < 2:
        return None
    best: list[tuple[float, float, TrialRow]] = []
    for ms, accuracy, row in sorted(timed, key=lambda t: (t[0], -t[1])):
        if not best or accuracy > best[-1][1]:
            best.append((ms, accuracy, row))
    ahead = {row.number for _, _, row in best}
    rest = [(ms, accuracy, row) for ms, accuracy, row in timed if row.number not in ahead]
    series = [
        Series(
            say("field.frontier"),
            tuple((ms, a) for ms, a, _ in best),
            "best",
            "step",
            tuple(_short(row) for _, _, row in best),
            named=True,
        )
    ]
    if rest:
        series.append(
            Series(
                say("field.others"),
                tuple((ms, a) for ms, a, _ in rest),
                "search",
                "points",
                tuple(_label(row) for _, _, row in rest),
            )
        )
    chart = Plot(
        Axis(say("field.ms_axis"), ",.3g", log=True),
        Axis(say("field.accuracy_axis"), ".0%"),
        tuple(series),
    )
    fastest, surest = best[0], best[-1]
    alt = say(
        "field.frontier_alt",
        fast=fastest[0],
        fast_accuracy=fastest[1],
        slow=surest[0],
        slow_accuracy=surest[1],
    )
    return Figure(say("field.frontier_caption"), chart, alt)


def _baselines(comparison: Comparison) -> Table:
    tested = comparison.test_images > 0
    columns = [
        Column(say("field.run")),
        Column(say("field.trial"), "d"),
        Column(say("field.validation"), ".1%"),
        *([Column(say("field.test"), ".1%")] if tested else []),
        Column(say("field.ahead"), "+.1f"),
        Column(say("field.interval")),
        *(
            Column(say("field.published_figure", name=terms.figure(name)), ",.4g")
            for name in comparison.published
        ),
        Column(say("field.ending")),
    ]
    rows: list[list[Cell]] = []
    for row in comparison.rows:
        gain = row.test_gain if tested else row.gain
        rows.append(
            [
                say("field.best") if row.name == SEARCHED else Name(row.name),
                row.trial,
                row.figures.get("validation"),
                *([row.figures.get("test")] if tested else []),
                None if gain is None else 100 * gain[0],
                _interval(gain),
                *(row.published.get(name) for name in comparison.published),
                terms.compared_ending(row),
            ]
        )
    part = say("part.test" if tested else "part.validation")
    images = comparison.test_images if tested else comparison.images
    return Table(say("field.baselines_caption", part=part, images=images), columns, rows)


def _interval(gain: Gain | None) -> Phrase | None:
    return gain and say("field.from_to", low=100 * gain[1], high=100 * gain[2])


def _imported(rows: Sequence[TrialRow], metric: Metric) -> Table:
    ordered = sorted(rows, key=lambda row: metric.order(row.value))
    columns = [Column(say("field.trial"), "d"), Column(_value_title(metric), ".4f")]
    cells: list[list[Cell]] = [[row.number, row.value] for row in ordered]
    return Table(say("field.imported", count=len(rows)), columns, cells, most=LEADERS, folded=True)
