"""The chapters of a report, one row each, in the order of reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from hpo.report.blocks import Chapter
from hpo.report.chapters import again, errors, field, mattered, more, suspects, trust, verdict
from hpo.report.facts import StudyFacts, Tell

CHAPTERS: Mapping[str, Callable[[StudyFacts], Chapter | None]] = MappingProxyType(
    {
        "verdict": verdict.chapter,
        "field": field.chapter,
        "errors": errors.chapter,
        "suspects": suspects.chapter,
        "trust": trust.chapter,
        "more": more.chapter,
        "mattered": mattered.chapter,
        "again": again.chapter,
    }
)
"""Key to what writes the chapter, or returns None where there is nothing to say."""


def write(facts: StudyFacts, tell: Tell) -> tuple[Chapter, ...]:
    """Returns the chapters of a study.

    Args:
        facts: What is known of it.
        tell: Told which chapter is written next; some look at all images.
    """
    found = []
    for number, chapter in enumerate(CHAPTERS.values(), start=1):
        tell(f"Writing chapter {number} of {len(CHAPTERS)} …")
        found.append(chapter(facts))
    return tuple(chapter for chapter in found if chapter is not None)
