"""To be written."""

from __future__ import annotations

from hpo.report.blocks import Chapter
from hpo.report.facts import StudyFacts


def chapter(facts: StudyFacts) -> Chapter | None:
    """Returns the chapter."""
    return None
