"""Tests of the chapters on suspects, on trust, and on what more would bring."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from data_pipeline.audit import Audit, Finding
from hpo.analysis.growth import Grown, Growth
from hpo.analysis.suspects import KINDS, Suspect, Suspects
from hpo.report.as_json import as_json
from hpo.report.blocks import Chapter, Report, say
from hpo.report.chapters import more, suspects, trust
from hpo.report.images import ImagesFacts
from hpo.report.language import LANGUAGES, load
from hpo.results.trial_rows import TrialRow
from studies.metrics import METRICS
from tests.hpo.analysis.test_trust import judged

AUDIT = Audit(
    findings=tuple(
        Finding(code="c", severity=severity, message="It is so.", count=1, paths=("a.png",))
        for severity in ("error", "warning", "info")
    )
)


def written(chapter: Chapter | None, language: str = "en") -> str:
    """Returns a chapter in the words of a language, as one text."""
    assert chapter is not None
    report = Report("s", "now", say("page.trials", count=1), (chapter,))
    whole: dict[str, Any] = json.loads(as_json(report, load(language)))
    return json.dumps(whole["chapters"], ensure_ascii=False)


def images(count: int, **changes: Any) -> ImagesFacts:
    """Returns so many suspects of each kind."""
    rows = tuple(
        Suspect(
            path=f"{kind}{number}.png",
            label="cat",
            split="train",
            kind=kind,
            likelier="dog" if kind in ("label", "possible") else None,
            given=0.1,
            likeliest=0.8,
            like=("other.png",) if kind in ("copy", "leak", "two_labels") else (),
        )
        for kind in KINDS
        for number in range(count)
    )
    found = Suspects(rows, 1234, 56, ("mobilenet_1.0", "resnet50_v2"), 160, 0.93)
    pictures = {row.path: b"jpeg" for row in rows}
    return ImagesFacts(replace(found, **changes), None, pictures)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("count", [0, 1, 50])
def test_every_kind_of_suspect_has_its_words(language: str, count: int) -> None:
    """None, one and more than are shown; with features and with pixels, sealed images or none."""
    for changes in ({}, {"backbones": (), "sealed": 0, "agreement": 0.5}):
        text = written(suspects.of_data("/photos", AUDIT, images(count, **changes)), language)
        assert ("copy0.png" in text) == bool(count)
        assert ("--exclude suspects.csv" in text) == bool(count)
        assert "It is so." in text


def test_what_is_not_shown_is_counted() -> None:
    """The words say how many there are, and how many of them are shown."""
    text = written(suspects.of_data("/photos", Audit(findings=()), images(50)))
    assert "50 images, the first 40 of which are shown. Another class is as likely" in text
    assert "Nothing was noticed." in text


def test_images_that_cannot_be_looked_at_are_explained() -> None:
    """The reason stands in the chapter's place; a data set with errors says so."""
    facts: Any = SimpleNamespace(images=None, images_problem="No weights <here>.")
    assert "No weights <here>." in written(suspects.chapter(facts))
    facts.images_problem = ""
    assert suspects.chapter(facts) is None
    assert "The data set has errors" in written(suspects.of_data("/photos", AUDIT, None))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("sharpened", "verdict"), [(2.5, "too sure"), (0.4, "too modest"), (1.0, "as they are")]
)
def test_the_verdict_on_percentages(language: str, sharpened: float, verdict: str) -> None:
    """A model may be too sure, too modest, or right about itself."""
    validation = judged("validation", 600, 0, sharpened)
    for test in (judged("test", 600, 1, sharpened), None):
        facts: Any = SimpleNamespace(winner=SimpleNamespace(validation=validation, test=test))
        text = written(trust.chapter(facts), language)
        assert language != "en" or verdict in text
    assert trust.chapter(SimpleNamespace(winner=None)) is None  # type: ignore[arg-type]


def test_percentages_of_few_images() -> None:
    """Two validation images give a chapter without thresholds."""
    facts: Any = SimpleNamespace(
        winner=SimpleNamespace(validation=judged("validation", 2, 0), test=None)
    )
    assert "never reached" in written(trust.chapter(facts))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("interval", "said"),
    [((0.01, 0.03), "would help"), ((-0.01, 0.04), "may help"), ((-0.02, 0.0), "hardly help")],
)
def test_what_more_would_bring(language: str, interval: tuple[float, float], said: str) -> None:
    """The words depend on whether chance may explain what the last images brought."""
    points = tuple(Grown(share, int(100 * share), 0.8, 0.7, 0.9) for share in (0.25, 1.0))
    growth = Growth(points, sum(interval) / 2, interval, 0.85, (0.8, 0.9))
    values = np.random.default_rng(0).random(20)
    rows = [
        TrialRow(number, number, "COMPLETE", float(value), {}, {}, False, None)
        for number, value in enumerate(values)
    ]
    facts: Any = SimpleNamespace(
        ranked=rows, rows=rows, metric=METRICS["accuracy"], images=replace(images(1), growth=growth)
    )
    text = written(more.chapter(facts), language)
    assert language != "en" or said in text
    assert language != "en" or "20 more, beat the best with a chance of" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_too_little_to_say(language: str) -> None:
    """Few trials and few images are said to be few, and no trial gives no chapter."""
    row = TrialRow(0, 0, "COMPLETE", 0.5, {}, {}, False, None)
    for seen in (None, images(0)):
        facts: Any = SimpleNamespace(
            ranked=[row], rows=[row], metric=METRICS["accuracy"], images=seen
        )
        assert written(more.chapter(facts), language)
    assert more.chapter(SimpleNamespace(ranked=[])) is None  # type: ignore[arg-type]
