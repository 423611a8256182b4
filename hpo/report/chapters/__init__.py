"""The chapters of a report, one row each, in the order of reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from hpo.report.blocks import Chapter
from hpo.report.chapters import again, errors, field, mattered, more, suspects, trust, verdict
from hpo.report.facts import StudyFacts

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


def write(facts: StudyFacts) -> tuple[Chapter, ...]:
    """Returns the chapters of a study."""
    found = (chapter(facts) for chapter in CHAPTERS.values())
    return tuple(chapter for chapter in found if chapter is not None)
