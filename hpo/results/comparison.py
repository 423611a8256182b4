"""A study's baselines beside its best trial, and beside the figures their authors published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpo.results.trial_rows import TrialRow, read_trials
from hpo.search.open_study import OpenStudy
from studies.errors import StudyError
from studies.hits import Hits, paired_interval
from studies.metrics import METRICS, Metric
from studies.record import HITS_KEY
from studies.settings import StudySettings

FIGURES = ("train", "validation", "test", "seconds")
"""Published figures whose names are columns here too; others follow them."""
SEARCHED = "best of the search"


@dataclass(frozen=True)
class Compared:
    """One trial of a comparison.

    Attributes:
        name: The baseline's label, `best of the search`, or in an exhaustive one the backbone.
        trial: The trial; None for a baseline that was not trained here.
        ending: How it ended, or why it was not trained.
        figures: Name to value: train, validation, test (accuracies), loss, seconds, parameters.
        gain: Accuracy of the best trial minus that of this one, with its 95 % interval, on the
            same validation images; None for the best trial itself.
        published: Name to the figure that its author reports.
    """

    name: str
    trial: int | None
    ending: str
    figures: Mapping[str, float]
    gain: tuple[float, float, float] | None
    published: Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """A study's comparison.

    Attributes:
        study: Name of the study.
        metric: What its trials are compared by.
        published_by: Whose the published figures are.
        images: Number of validation images; 0 where no trial says.
        rows: The trials, baselines first, the best last.
    """

    study: str
    metric: Metric
    published_by: str
    images: int
    rows: Sequence[Compared]

    @property
    def published(self) -> list[str]:
        """Names of the published figures, in the order of their columns."""
        names = {name for row in self.rows for name in row.published}
        return [name for name in FIGURES if name in names] + sorted(names - {*FIGURES})


def compare(
    opened: OpenStudy, test: Callable[[TrialRow], Mapping[str, float]] | None = None
) -> Comparison:
    """Compares a study's baselines, and of an exhaustive search every trial, with its best trial.

    Args:
        opened: The study.
        test: Evaluates a trial on the sealed test images; None leaves them sealed.

    Raises:
        StudyError: No trial is complete.
    """
    settings = StudySettings.model_validate(opened.record.settings)
    metric = METRICS[settings.metric]
    keys = [HITS_KEY, "best_accuracy", "best_val_accuracy", f"best_val_{metric.name}"]
    trials = read_trials(opened.storage, opened.study._study_id, keys)
    complete = [row for row in trials if row.complete]
    if not complete:
        raise StudyError(
            f"The study {opened.study.study_name!r} has no complete trial to compare. "
            "Received: none. Type the `hpo run` command again to continue it."
        )
    best = min(complete, key=lambda row: (metric.order(row.value), row.number))
    every = settings.sampler.name == "exhaustive"
    shown = [row for row in trials if row.label or row is best or (every and row.complete)]
    published = {baseline.label: baseline.published for baseline in settings.baseline}

    def compared(row: TrialRow) -> Compared:
        tested = test(row) if test and row.complete else {}
        return Compared(
            name=_backbone(row) if every and row.label not in published else row.label or SEARCHED,
            trial=row.number,
            ending=row.ending,
            figures={**_figures(row, metric), **tested},
            gain=None if row is best else gain(best, row),
            published=published.get(row.label or "", {}),
        )

    rows = [compared(row) for row in sorted(shown, key=lambda row: row is best and not every)]
    known = {row.name for row in rows}
    rows += [
        Compared(label, None, "not trained here", {}, None, figures)
        for label, figures in published.items()
        if label not in known
    ]
    hits = _hits(best)
    return Comparison(
        study=opened.study.study_name,
        metric=metric,
        published_by=settings.published_by or "their authors",
        images=hits.images if hits else 0,
        rows=rows,
    )


def gain(best: TrialRow, other: TrialRow) -> tuple[float, float, float] | None:
    """Returns the accuracy of one trial minus that of another, and the ends of its interval.

    None where one of them does not say which images it got right.
    """
    one, two = _hits(best), _hits(other)
    if one is None or two is None:
        return None
    difference = float(one.unpack().mean() - two.unpack().mean())
    return difference, *paired_interval(one, two)


def _hits(row: TrialRow) -> Hits | None:
    stored = row.attributes.get(HITS_KEY)
    return Hits.model_validate(stored) if stored else None


def _backbone(row: TrialRow) -> str:
    return str(row.settings.get("model.backbone"))


def _figures(row: TrialRow, metric: Metric) -> dict[str, float]:
    hits = _hits(row)
    found: dict[str, Any] = {
        "train": row.attributes.get("best_accuracy"),
        "validation": (
            float(hits.unpack().mean()) if hits else row.attributes.get("best_val_accuracy")
        ),
        metric.name: row.value if metric.name != "accuracy" else None,
        "seconds": row.attributes.get("seconds"),
        "parameters": row.attributes.get("parameters"),
    }
    return {name: value for name, value in found.items() if value is not None}
