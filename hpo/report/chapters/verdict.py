"""Chapter 1: what was found, how good it is, and against what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hpo.report import terms
from hpo.report.blocks import Block, Chapter, Code, Name, Phrase, Text, say
from hpo.report.facts import StudyFacts
from hpo.results.comparison import Compared
from hpo.results.sealed_test import wilson
from hpo.results.trial_rows import TrialRow
from studies.hits import Hits
from studies.metrics import METRICS
from studies.record import HITS_KEY

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def chapter(facts: StudyFacts) -> Chapter:
    """Returns the verdict."""
    best = facts.best
    blocks = list(_verdict(facts, best)) if best else [_nothing(facts)]
    return Chapter("verdict", tuple(blocks))


def _nothing(facts: StudyFacts) -> Block:
    if not facts.rows:
        return Text(say("verdict.empty"), "lead")
    return Text(say("verdict.nothing", endings=terms.endings(facts.rows)), "lead")


def _verdict(facts: StudyFacts, best: TrialRow) -> Iterator[Block]:
    yield Text(_found(facts, best), "lead")
    against = say("verdict.is_baseline", name=Name(best.label)) if best.label else _against(facts)
    if against:
        yield Text(against, "lead")
    if facts.metric is not METRICS["accuracy"]:
        yield Text(_objective("verdict.chosen_by", facts, best))
    yield Text(_common(facts))
    yield Text(_test(facts), "note")
    running = sum(row.ending == "running" for row in facts.rows)
    if running:
        yield Text(say("verdict.running", count=running), "warning")
    elif best.state != "COMPLETE":
        yield Text(say("verdict.unfinished", count=best.epochs_done or 0), "warning")
    if facts.problem:
        yield Text(say("verdict.problem", why=Name(facts.problem)), "warning")


def what(row: TrialRow) -> Phrase:
    """Returns what a trial's network is, in a few words."""
    settings = row.settings
    stages: int = settings.get("model.trainable_stages", 0)
    key = (
        "network.scratch"
        if not settings["model.pretrained"]
        else "network.solved"
        if row.solved
        else "network.tuned"
        if stages
        else "network.frozen"
    )
    backbone, size = settings["model.backbone"], settings["model.image_size_px"]
    return say(key, backbone=Code(backbone), size=size, count=stages)


def _found(facts: StudyFacts, best: TrialRow) -> Phrase:
    trials, look, right = len(facts.ranked), facts.look, _right(facts, best)
    if look:
        low, high = look.intervals["accuracy"]
        key, accuracy, images = "verdict.test", look.figures["accuracy"], look.images
    elif right is not None:
        low, high = wilson(int(right.sum()), len(right))
        key, accuracy, images = "verdict.validation", float(right.mean()), len(right)
    else:
        return _objective("verdict.value", facts, best)
    return say(
        key,
        count=trials,
        network=what(best),
        trial=best.number,
        accuracy=accuracy,
        images=images,
        low=low,
        high=high,
    )


def _right(facts: StudyFacts, best: TrialRow) -> npt.NDArray[np.bool_] | None:
    """Returns which validation images the best trial gets right; None where nobody knows."""
    if facts.winner:
        return facts.winner.validation.right
    hits = best.attributes.get(HITS_KEY)
    return Hits.model_validate(hits).unpack() if hits else None


def _objective(key: str, facts: StudyFacts, best: TrialRow) -> Phrase:
    return say(
        key,
        count=len(facts.ranked),
        network=what(best),
        metric=terms.metric(facts.metric),
        value=best.value or 0.0,
        trial=best.number,
    )


def _against(facts: StudyFacts) -> Phrase | None:
    """Returns how far the best is ahead of the best baseline, and whether that is sure."""
    assert facts.comparison is not None
    baselines = {row.number for row in facts.rows if row.label}
    rivals = [
        (row, gain)
        for row in facts.comparison.rows
        if row.trial in baselines and (gain := row.test_gain if facts.look else row.gain)
    ]
    if not rivals:
        return None
    row, (ahead, low, high) = min(rivals, key=lambda rival: rival[1][0])
    return say(
        "verdict.ahead" if ahead >= 0 else "verdict.behind",
        sure=_sure(low, high),
        points=100 * abs(ahead),
        low=100 * low,
        high=100 * high,
        name=_name(row),
        part=say("part.test" if facts.look else "part.validation"),
    )


def _name(row: Compared) -> Name:
    return Name(row.name)


def _sure(low: float, high: float) -> Phrase:
    return say("verdict.sure" if low > 0 or high < 0 else "verdict.chance")


def _common(facts: StudyFacts) -> Phrase:
    """Returns what guessing the most frequent class would reach."""
    if facts.manifest is None:
        return say("verdict.no_images")
    part = "test" if facts.look else "validation"
    counts = Counter(item.label for item in facts.manifest.items if item.split == part)
    label, most = counts.most_common(1)[0]
    return say(
        "verdict.common",
        share=most / counts.total(),
        name=Name(facts.manifest.classes[label]),
        classes=len(facts.manifest.classes),
    )


def _test(facts: StudyFacts) -> Phrase:
    looks = len(facts.looks)
    if facts.look:
        return say("verdict.looks", count=looks)
    if facts.manifest and not any(item.split == "test" for item in facts.manifest.items):
        return say("verdict.no_test")
    study = facts.opened.study.study_name
    key = "verdict.sealed" if looks else "verdict.unopened"
    return say(key, count=looks, command=Code(f"hpo report --study {study} --test"))
