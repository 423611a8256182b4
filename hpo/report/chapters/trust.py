"""Chapter 5: whether the model's percentages can be trusted."""

from __future__ import annotations

from collections.abc import Iterator

from hpo.analysis.trust import OF_A_CLASS, Answers, Trust, trust
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
from hpo.report.charts.values import Axis, Plot, Series
from hpo.report.facts import StudyFacts
from hpo.results.calibration import Reliability

SENTENCE = 0.98
"""The share of right answers that the first sentence is about, if there is a threshold for it."""


def chapter(facts: StudyFacts) -> Chapter | None:
    """Returns how far the best model can be trusted; None where it could not be asked."""
    if facts.winner is None:
        return None
    found = trust(facts.winner.validation, facts.winner.test)
    return Chapter("trust", tuple(_blocks(found)))


def _blocks(found: Trust) -> Iterator[Block]:
    part = say(f"part.{found.measured_on}")
    yield Text(_verdict(found, part), "lead")
    if answered := _told(found):
        yield Text(_answered(answered, part), "lead")
    yield Text(say("trust.sealed" if found.measured_on == "validation" else "trust.tested"), "note")
    yield Figure(
        say("trust.diagram_caption", part=part, images=found.images),
        _diagram(found),
        say("trust.diagram_alt", before=found.before.error, after=found.after.error),
    )
    yield _errors(found, part)
    yield Heading(say("trust.coverage"))
    yield Figure(
        say("trust.coverage_caption", part=part),
        _coverage(found),
        say(
            "trust.coverage_alt",
            few=found.curve[0].accuracy or 0.0,
            coverage=found.curve[0].coverage,
            every=found.curve[-1].accuracy or 0.0,
        ),
    )
    yield _targets(found, part)
    yield Heading(say("trust.classes"))
    yield _classes(found, part)


def _verdict(found: Trust, part: Phrase) -> Phrase:
    before, after = found.before, found.after
    calm = before.plain <= before.chance_limit
    key = "trust.calibrated" if calm else "trust.over" if found.temperature > 1 else "trust.under"
    return say(
        key,
        part=part,
        before=before.error,
        after=after.error,
        temperature=found.temperature,
        limit=before.chance_limit,
        plain=before.plain,
    )


def _told(found: Trust) -> Answers | None:
    """Returns the target that a sentence is made of: `SENTENCE`, or else the highest one."""
    wanted = [row for row in found.targets if row.answered]
    return next((row for row in wanted if row.target == SENTENCE), wanted[-1] if wanted else None)


def _answered(row: Answers, part: Phrase) -> Phrase:
    low, high = row.interval
    return say(
        "trust.answered",
        part=part,
        threshold=row.threshold,
        coverage=row.coverage,
        accuracy=row.accuracy or 0.0,
        low=low,
        high=high,
    )


def _diagram(found: Trust) -> Plot:
    return Plot(
        Axis(say("trust.confidence"), ".0%", low=0.0, high=1.0),
        Axis(say("trust.right"), ".0%", low=0.0, high=1.0),
        (
            Series(say("trust.exact"), ((0.0, 0.0), (1.0, 1.0)), "guide", "guide"),
            _bins(found.before, "baseline", say("trust.before")),
            _bins(found.after, "search", say("trust.after")),
        ),
    )


def _bins(found: Reliability, role: str, name: Phrase) -> Series:
    return Series(
        name,
        tuple((row.confidence, row.accuracy) for row in found.bins),
        role,
        labels=tuple(say("trust.images", count=row.images) for row in found.bins),
        spans=tuple((row.low, row.high) for row in found.bins),
    )


def _errors(found: Trust, part: Phrase) -> Table:
    columns = [
        Column(say("trust.which")),
        Column(say("trust.error"), ".1%"),
        Column(say("trust.plain"), ".1%"),
        Column(say("trust.chance"), ".1%"),
        Column(say("trust.limit"), ".1%"),
    ]
    rows: list[list[Cell]] = [
        [say(key), row.error, row.plain, row.chance, row.chance_limit]
        for key, row in (("trust.before", found.before), ("trust.after", found.after))
    ]
    caption = say("trust.errors_caption", part=part, count=len(found.after.bins))
    return Table(caption, columns, rows)


def _coverage(found: Trust) -> Plot:
    rows = [row for row in found.curve if row.accuracy is not None]
    points = tuple((row.coverage, row.accuracy or 0.0) for row in rows)
    return Plot(
        Axis(say("trust.share"), ".0%", low=0.0, high=1.0),
        Axis(say("trust.right"), ".0%", high=1.0),
        (
            Series(
                say("trust.surest"),
                points,
                "search",
                "line",
                labels=tuple(say("trust.from", threshold=row.threshold) for row in rows),
            ),
        ),
    )


def _targets(found: Trust, part: Phrase) -> Table:
    columns = [
        Column(say("trust.target"), ".0%"),
        Column(say("trust.threshold"), ".1%"),
        Column(say("trust.share"), ".1%"),
        Column(say("trust.right"), ".1%"),
        Column(say("trust.interval")),
    ]
    rows: list[list[Cell]] = [
        [row.target, row.threshold, row.coverage, row.accuracy, _interval(row)]
        for row in found.targets
    ]
    return Table(say("trust.targets_caption", part=part), columns, rows)


def _classes(found: Trust, part: Phrase) -> Table:
    columns = [
        Column(say("trust.class")),
        Column(say("trust.threshold"), ".1%"),
        Column(say("trust.share"), ".1%"),
        Column(say("trust.right"), ".1%"),
        Column(say("trust.interval")),
    ]
    rows: list[list[Cell]] = [
        [Name(name), row.threshold, row.coverage, row.accuracy, _interval(row)]
        if row
        else [Name(name), None, None, None, say("trust.never")]
        for name, row in found.classes
    ]
    return Table(say("trust.classes_caption", part=part, share=OF_A_CLASS), columns, rows)


def _interval(row: Answers) -> Phrase | None:
    if not row.answered:
        return None
    low, high = row.interval
    return say("trust.from_to", low=low, high=high)
