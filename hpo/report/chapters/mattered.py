"""Chapter 7: which settings mattered and how trials learned, as `hpo analyse` has it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from hpo.analysis.questions import FEWEST, RULE, Answers, Curve, answer
from hpo.report import terms
from hpo.report.blocks import Block, Chapter, Code, Figure, Heading, Name, Phrase, Text, say
from hpo.report.charts.values import Axis, Bar, Bars, Plot, Series
from hpo.report.facts import StudyFacts

MOST_BARS = 12


def chapter(facts: StudyFacts) -> Chapter | None:
    """Returns what mattered; None where no trial is complete."""
    answers = answer(facts.opened, facts.rows, facts.metric)
    if not answers.curves and not answers.importance:
        return None
    return Chapter("mattered", tuple(_blocks(facts, answers)))


def _blocks(facts: StudyFacts, answers: Answers) -> Iterator[Block]:
    yield Heading(say("mattered.importance"))
    yield from _importance(answers)
    if answers.curves:
        yield Heading(say("mattered.batch"))
        yield from _batch(answers)
        yield Heading(say("mattered.last"))
        yield from _last(answers)
        yield Heading(say("mattered.gap"))
        yield from _gaps(facts, answers)


def _importance(answers: Answers) -> Iterator[Block]:
    ordered = list(answers.importance.items())
    if len(ordered) < 2:
        yield Text(say("mattered.unknown", fewest=FEWEST))
        return
    (first, share), (second, next_share) = ordered[:2]
    said = say(
        "mattered.most",
        first=Code(first),
        share=share,
        second=Code(second),
        next_share=next_share,
    )
    yield Text(said)
    bars = tuple(Bar(Name(name), part) for name, part in ordered[:MOST_BARS])
    chart = Bars(Axis(say("mattered.share"), ".0%"), say("mattered.setting"), bars)
    yield Figure(say("mattered.importance_caption"), chart, said)


def _batch(answers: Answers) -> Iterator[Block]:
    rho = answers.batch_and_epoch
    if rho is None:
        yield Text(say("mattered.no_batch"))
        return
    verdict = (
        "chance" if abs(rho) <= answers.chance else "more_epochs" if rho > 0 else "fewer_epochs"
    )
    said = say(
        "mattered.rho",
        rho=rho,
        count=len(answers.curves),
        chance=answers.chance,
        verdict=say(f"mattered.{verdict}"),
    )
    yield Text(said)
    points = tuple((float(c.batch_size), float(c.best_epoch)) for c in answers.curves)
    chart = Plot(
        Axis(say("mattered.batch_axis"), ",.0f", log=True),
        Axis(say("mattered.epoch_axis"), ",.0f"),
        (Series(say("mattered.trials"), points, labels=_labels(answers)),),
    )
    yield Figure(say("mattered.batch_caption"), chart, said)


def _last(answers: Answers) -> Iterator[Block]:
    metric = answers.metric
    lost = [curve.lost for curve in answers.curves]
    # Points are hundredths of what ends at 1; a cross-entropy has no end.
    key, scale = ("mattered.points", 100) if metric.maximize else ("mattered.plain", 1)
    said = say(
        "mattered.lost",
        worse=sum(loss > 0 for loss in lost),
        count=len(lost),
        median=say(key, value=scale * answers.median_lost),
        most=say(key, value=scale * max(lost)),
        metric=terms.metric(metric),
    )
    yield Text(said)
    points = tuple((curve.best, curve.last) for curve in answers.curves)
    both = [value for point in points for value in point]
    ends = ((min(both),) * 2, (max(both),) * 2)
    number = ".0%" if metric.maximize else ".3g"
    chart = Plot(
        Axis(say("mattered.best_axis", metric=terms.metric(metric)), number),
        Axis(say("mattered.last_axis", metric=terms.metric(metric)), number),
        (
            Series(say("mattered.nothing_lost"), ends, "guide", "guide"),
            Series(say("mattered.trials"), points, labels=_labels(answers)),
        ),
    )
    yield Figure(say("mattered.last_caption"), chart, said)


def _gaps(facts: StudyFacts, answers: Answers) -> Iterator[Block]:
    beyond = sum(curve.overfitted for curve in answers.curves)
    said = say("mattered.beyond", beyond=beyond, count=len(answers.curves), rule=100 * RULE)
    yield Text(said)
    if any(not curve.clean for curve in answers.curves):
        yield Text(say("mattered.unclean"), "note")
    by_number = {curve.trial: curve for curve in answers.curves}
    best = islice((by_number[r.number] for r in facts.ranked if r.number in by_number), MOST_BARS)
    bars = tuple(
        Bar(_label(curve), 100 * curve.gap, "baseline" if curve.overfitted else "search")
        for curve in best
    )
    low = min(0.0, *(bar.value for bar in bars)) if bars else 0.0
    chart = Bars(Axis(say("mattered.gap_axis"), ",.1f", low=low), say("mattered.trial_name"), bars)
    yield Figure(say("mattered.gap_caption", count=len(bars)), chart, said)


def _labels(answers: Answers) -> tuple[Phrase, ...]:
    return tuple(_label(curve) for curve in answers.curves)


def _label(curve: Curve) -> Phrase:
    if curve.label:
        return say("mattered.labelled", trial=curve.trial, name=Name(curve.label))
    return say("mattered.numbered", trial=curve.trial)
