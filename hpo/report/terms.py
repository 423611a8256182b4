"""Terms that studies keep in English, as phrases: how a trial ended, a metric, a phase."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hpo.report.blocks import Cell, Name, Phrase, say
from hpo.results.comparison import FIGURES, Compared
from hpo.results.trial_rows import TrialRow
from studies.metrics import Metric

PHASES = ("start-up", "data", "solving", "training", "evaluation", "checkpoint", "waiting")
"""What trials spend their time on, as workers call it."""


def compared_ending(row: Compared) -> Phrase:
    """Returns how a trial of a comparison ended."""
    return _ending(row.ending)


def _ending(name: str) -> Phrase:
    return say(f"ending.{_key(name)}")


def endings(rows: Iterable[TrialRow]) -> tuple[Phrase, ...]:
    """Returns how many trials ended how, the most frequent first."""
    counts = Counter(row.ending for row in rows)
    return tuple(
        say("ending.of", count=count, ending=_ending(name)) for name, count in counts.most_common()
    )


def metric(row: Metric) -> Phrase:
    """Returns what a metric is called."""
    return say(f"metric.{row.name}")


def phase(name: str) -> Cell:
    """Returns what a phase of a trial is called; one that a later version added keeps its name."""
    return say(f"phase.{_key(name)}") if name in PHASES else Name(name)


def figure(name: str) -> Phrase | Name:
    """Returns what a published figure is called; one of the author's own keeps its name."""
    return say(f"published.{name}") if name in FIGURES else Name(name)


def _key(name: str) -> str:
    return name.replace(" ", "_").replace("-", "_")
