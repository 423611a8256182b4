"""Chapter 6: whether more images or more trials would help."""

from __future__ import annotations

from collections.abc import Iterator

from hpo.analysis.growth import Growth
from hpo.analysis.prospects import FEWEST, Prospects, prospects
from hpo.report import terms
from hpo.report.blocks import Block, Chapter, Code, Figure, Heading, Phrase, Text, say
from hpo.report.charts.values import Axis, Plot, Series
from hpo.report.facts import StudyFacts
from studies.metrics import Metric

LEAST = 0.005
"""Half a point of accuracy: less is not worth collecting images for."""


def chapter(facts: StudyFacts) -> Chapter | None:
    """Returns what more images and more trials would bring; None before the first result."""
    if not facts.ranked:
        return None
    return Chapter("more", (*_images(facts), *_trials(facts)))


def _images(facts: StudyFacts) -> Iterator[Block]:
    yield Heading(say("more.images"))
    if facts.images is None:
        yield Text(say("more.no_images"))
        return
    found, suspects = facts.images.growth, facts.images.suspects
    if found is None:
        yield Text(say("more.few_images"))
        return
    yield Text(_gain(found), "lead")
    network = (
        say("suspects.backbone", backbone=Code(suspects.backbones[0]), size=suspects.image_size_px)
        if suspects.backbones
        else say("suspects.pixels")
    )
    yield Text(say("more.heads", network=network), "note")
    first, last = found.points[0], found.points[-1]
    yield Figure(
        say("more.images_caption"),
        _by_images(found),
        say(
            "more.images_alt",
            few=first.accuracy,
            some=first.images,
            accuracy=last.accuracy,
            images=last.images,
        ),
    )


def _gain(found: Growth) -> Phrase:
    low, high = found.gain_interval
    key = "more.helps" if low > 0 else "more.maybe" if high > LEAST else "more.no_help"
    return say(
        key,
        points=100 * found.gain,
        low=100 * low,
        high=100 * high,
        expected=found.expected,
        least=found.interval[0],
        most=found.interval[1],
    )


def _by_images(found: Growth) -> Plot:
    seen = tuple((float(row.images), row.accuracy) for row in found.points)
    twice = 2.0 * found.points[-1].images
    return Plot(
        Axis(say("more.images_axis"), low=0.0),
        Axis(say("more.accuracy"), ".1%"),
        (
            Series(
                say("more.measured"),
                seen,
                "search",
                "line",
                spans=tuple((row.low, row.high) for row in found.points),
            ),
            Series(
                say("more.expected"), ((twice, found.expected),), "best", spans=(found.interval,)
            ),
        ),
    )


def _trials(facts: StudyFacts) -> Iterator[Block]:
    yield Heading(say("more.trials"))
    found = prospects(facts.rows, facts.metric)
    if found is None:
        yield Text(say("more.few_trials", fewest=FEWEST))
        return
    yield Text(_prospect(found, facts.metric), "lead")
    yield Text(say("more.how"), "note")
    points = _best_so_far(facts)
    yield Figure(
        say("more.trials_caption", more=found.more),
        _by_trials(facts, found, points),
        say(
            "more.trials_alt",
            metric=terms.metric(facts.metric),
            best=found.best,
            trial=points[-1][0],
            expected=found.expected,
        ),
    )


def _prospect(found: Prospects, metric: Metric) -> Phrase:
    low, high = found.interval
    return say(
        "more.chance",
        count=found.more,
        chance=found.chance,
        metric=terms.metric(metric),
        best=found.best,
        expected=found.expected,
        low=low,
        high=high,
    )


def _best_so_far(facts: StudyFacts) -> tuple[tuple[float, float], ...]:
    better = max if facts.metric.maximize else min
    points: list[tuple[float, float]] = []
    for row in facts.rows:
        if row.ranked and row.value is not None:
            best = better(row.value, points[-1][1]) if points else row.value
            points.append((float(row.number), best))
    return tuple(points)


def _by_trials(
    facts: StudyFacts, found: Prospects, points: tuple[tuple[float, float], ...]
) -> Plot:
    last = points[-1][0] + found.more
    return Plot(
        Axis(say("more.trials_axis"), low=0.0),
        Axis(say("field.value_axis", metric=terms.metric(facts.metric)), ".4g"),
        (
            Series(say("field.best_so_far"), points, "search", "step"),
            Series(
                say("more.expected"), ((last, found.expected),), "best", spans=(found.interval,)
            ),
        ),
    )
