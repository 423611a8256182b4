"""A report of a study, as a value."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePath

from hpo.report import chapters
from hpo.report.blocks import Name, Phrase, Report, say
from hpo.report.facts import StudyFacts, Tell


def compose(facts: StudyFacts, tell: Tell) -> Report:
    """Returns what there is to say of a study.

    Args:
        facts: What is known of it.
        tell: Told what is done next.
    """
    return Report(
        study=facts.opened.study.study_name,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        summary=_summary(facts),
        chapters=chapters.write(facts, tell),
    )


def _summary(facts: StudyFacts) -> Phrase:
    data = Name(PurePath(str(facts.opened.record.settings["data"])).name)
    trials = say("page.trials", count=len(facts.rows))
    if facts.manifest is None:
        return say("page.summary_bare", data=data, trials=trials)
    return say(
        "page.summary",
        data=data,
        trials=trials,
        classes=len(facts.manifest.classes),
        images=len(facts.manifest.items),
    )
