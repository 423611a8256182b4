"""Which trial of a study is best, and what it is compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpo.results.trial_rows import TrialRow, best_first, no_complete_trial, read_trials
from hpo.search.open_study import OpenStudy
from models.config import ModelConfig
from studies.errors import StudyError
from studies.metrics import METRICS, Metric
from studies.objectives import objectives_of
from studies.trial_config import TrialConfig


@dataclass(frozen=True)
class Ranking:
    """A study's trials in the order of their worth.

    Attributes:
        metric: What decides.
        trials: All trials, in the order of their numbers.
        best: Complete and paused trials by their best epoch, best first; of equal ones the one
            with the lower validation loss comes first, then the earlier.
        baselines: The baselines among them, or the first of them where there are none.
    """

    metric: Metric
    trials: Sequence[TrialRow]
    best: Sequence[TrialRow]
    baselines: Sequence[TrialRow]

    @property
    def endings(self) -> Mapping[str, int]:
        """Why trials ended, to how many did so."""
        return Counter(row.ending for row in self.trials)

    def find(self, number: int | None) -> TrialRow:
        """Returns the trial of a number, or the best.

        Raises:
            StudyError: That trial has no value or does not exist.
        """
        if number is None:
            return self.best[0]
        for row in self.best:
            if row.number == number:
                return row
        found = next((row.ending for row in self.trials if row.number == number), "no such trial")
        raise StudyError(
            "--trial must be a complete trial, or one that was interrupted after an epoch. "
            f"Received: {number} ({found}). Choose one from `hpo trials`."
        )


def rank(opened: OpenStudy) -> Ranking:
    """Ranks a study's trials.

    Raises:
        StudyError: No trial is complete yet.
    """
    metric = objectives_of(opened.record.settings).first
    keys = [f"best_val_{name}" for name in METRICS]
    trials = read_trials(opened.storage, opened.study, keys)
    best = best_first(trials, metric)
    if not best:
        raise no_complete_trial(opened.study.study_name, trials)
    ranked = sorted(best, key=lambda row: row.number)
    baselines = [row for row in ranked if row.label] or ranked[:1]
    return Ranking(metric, trials, best, baselines)


def changed_settings(rows: Sequence[TrialRow]) -> list[str]:
    """Returns the settings, by their dotted names, that are not at their default in every row."""
    plain = TrialConfig(model=ModelConfig(backbone="", image_size_px=4, classes=2))
    defaults: dict[str, Any] = {
        f"{part}.{name}": value
        for part, table in plain.model_dump(mode="json").items()
        for name, value in table.items()
    }
    del defaults["model.own"]
    own = [name for row in rows for name in row.settings if name not in defaults]
    return [
        name
        for name, default in (defaults | dict.fromkeys(own)).items()
        if any(row.settings.get(name, default) != default for row in rows)
    ]
