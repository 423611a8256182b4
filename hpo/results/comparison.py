"""A study's baselines beside its best trial, and beside the figures their authors published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpo.results.trial_rows import TrialRow, best_first, no_complete_trial, read_trials
from hpo.search.open_study import OpenStudy
from studies.hits import Hits, paired_interval
from studies.metrics import Metric
from studies.objectives import objectives_of
from studies.record import CLEAN_ACCURACY_KEY, HITS_KEY

if TYPE_CHECKING:
    from hpo.results.sealed_test import Look

Gain = tuple[float, float, float]
"""Accuracy of one trial minus that of another on the same images, and its 95 % interval."""
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
        figures: Name to value: train, validation, test (accuracies), the objective, seconds,
            parameters.
        clean: Whether `train` is on unchanged training images and without dropout.
        gain: Of the best trial over this one on the validation images; None for the best trial
            itself, and where it is not known which images were right.
        test_gain: The same on the test images.
        published: Name to the figure that its author reports.
    """

    name: str
    trial: int | None
    ending: str
    figures: Mapping[str, float]
    clean: bool
    gain: Gain | None
    test_gain: Gain | None
    published: Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """A study's comparison.

    Attributes:
        study: Name of the study.
        metric: What its trials are compared by.
        published_by: Whose the published figures are.
        images: Number of validation images; 0 where no trial says.
        test_images: Number of test images; 0 where they were not looked at.
        rows: The trials, baselines first, the best last.
    """

    study: str
    metric: Metric
    published_by: str
    images: int
    test_images: int
    rows: Sequence[Compared]

    @property
    def published(self) -> list[str]:
        """Names of the published figures, in the order of their columns."""
        names = {name for row in self.rows for name in row.published}
        return [name for name in FIGURES if name in names] + sorted(names - {*FIGURES})


def compare(opened: OpenStudy, test: Callable[[TrialRow], Look | None] | None = None) -> Comparison:
    """Compares a study's baselines, and of an exhaustive search every trial, with its best trial.

    Args:
        opened: The study.
        test: Evaluates a trial on the sealed test images, or returns None where it cannot; None
            leaves them sealed.

    Raises:
        StudyError: No trial is complete.
    """
    settings = opened.record.read_settings()
    metric = objectives_of(opened.record.settings).first
    keys = [HITS_KEY, CLEAN_ACCURACY_KEY, "best_accuracy", "best_val_accuracy"]
    trials = read_trials(opened.storage, opened.study, keys)
    ranked = best_first(trials, metric)
    if not ranked:
        raise no_complete_trial(opened.study.study_name, trials)
    best = ranked[0]
    every = settings.sampler.name == "exhaustive"
    shown = [row for row in trials if row.label or row is best or (every and row.ranked)]
    published = {baseline.label: baseline.published for baseline in settings.baseline}

    looks = {row.number: test(row) for row in shown if test and row.ranked}
    hits, test_hits = _hits(best), _test_hits(looks.get(best.number))

    def compared(row: TrialRow) -> Compared:
        look = looks.get(row.number)
        return Compared(
            name=_backbone(row) if every and row.label not in published else row.label or SEARCHED,
            trial=row.number,
            ending=row.ending,
            figures=_figures(row, metric) | ({"test": look.figures["accuracy"]} if look else {}),
            clean=CLEAN_ACCURACY_KEY in row.attributes,
            gain=None if row is best else gain(hits, _hits(row)),
            test_gain=None if row is best else gain(test_hits, _test_hits(look)),
            published=published.get(row.label or "", {}),
        )

    rows = [compared(row) for row in sorted(shown, key=lambda row: row is best and not every)]
    known = {row.name for row in rows}
    rows += [
        Compared(label, None, "not trained here", {}, False, None, None, figures)
        for label, figures in published.items()
        if label not in known
    ]
    return Comparison(
        study=opened.study.study_name,
        metric=metric,
        published_by=settings.published_by or "their authors",
        images=hits.images if hits else 0,
        test_images=next((look.images for look in looks.values() if look), 0),
        rows=rows,
    )


def gain(best: Hits | None, other: Hits | None) -> Gain | None:
    """Returns what one trial gains over another; None where either's hits are not known."""
    if best is None or other is None:
        return None
    difference = float(best.unpack().mean() - other.unpack().mean())
    return difference, *paired_interval(best, other)


def _hits(row: TrialRow) -> Hits | None:
    stored = row.attributes.get(HITS_KEY)
    return Hits.model_validate(stored) if stored else None


def _test_hits(look: Look | None) -> Hits | None:
    return look.hits if look else None


def _backbone(row: TrialRow) -> str:
    return str(row.settings.get("model.backbone"))


def _figures(row: TrialRow, metric: Metric) -> dict[str, float]:
    hits = _hits(row)
    found: dict[str, Any] = {
        "train": row.attributes.get(CLEAN_ACCURACY_KEY, row.attributes.get("best_accuracy")),
        "validation": (
            float(hits.unpack().mean()) if hits else row.attributes.get("best_val_accuracy")
        ),
        metric.name: row.value if metric.name != "accuracy" else None,
        "seconds": row.attributes.get("seconds"),
        "parameters": row.attributes.get("parameters"),
    }
    return {name: value for name, value in found.items() if value is not None}
