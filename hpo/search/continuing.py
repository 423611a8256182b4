"""Gives trials that have ended more epochs, as trials of their own that begin where they ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from hpo.search.open_study import OpenStudy
from hpo.training.checkpoint import has_checkpoint
from studies.errors import StudyError
from studies.objectives import objectives_of, rank_of
from studies.record import CONTINUES_KEY, STEP_KEY, read_config, value_of


@dataclass(frozen=True)
class Continued:
    """Trials that wait to be trained.

    Attributes:
        numbers: Of the trials that they continue, the best first.
        total: Trials that the study has with them.
    """

    numbers: Sequence[int]
    total: int


def continue_trials(
    opened: OpenStudy, epochs: int, *, top: int = 1, number: int | None = None
) -> Continued:
    """Adds a trial to the study for each that is to be continued.

    Args:
        opened: The study.
        epochs: Epochs that each gets on top of those that it has had.
        top: How many of the best that can be continued.
        number: The one trial to continue instead.

    Raises:
        StudyError: None of them can be continued, or not the one asked for; says why.
    """
    trials = opened.study.get_trials(deepcopy=False)
    if number is not None:
        chosen = [_asked(opened, trials, number)]
    else:
        metric = objectives_of(opened.record.settings).first
        able = [t for t in trials if value_of(t) is not None and _hindrance(opened, t) is None]
        chosen = sorted(able, key=lambda trial: rank_of(trial, metric))[:top]
    if not chosen:
        raise StudyError(
            "A trial must have been trained to its end, and be among the best, to be continued. "
            f"Received: a study with none that is. The best {opened.record.settings['keep_top']} "
            "keep their last checkpoints; see `hpo trials`."
        )
    for trial in chosen:
        opened.study.enqueue_trial(
            trial.params,
            user_attrs={
                CONTINUES_KEY: {
                    "number": trial.number,
                    "after": trial.user_attrs["epochs_done"],
                    "epochs": epochs,
                },
                STEP_KEY: f"{trial.number} continued",
            },
        )
    imported = sum(trial.user_attrs.get("reason") == "imported" for trial in trials)
    begun = sum(trial.state.name != "WAITING" for trial in trials) - imported
    duplicates = sum(trial.user_attrs.get("reason") == "duplicate" for trial in trials)
    waiting = sum(trial.state.name == "WAITING" for trial in trials)
    total = begun - duplicates + waiting + len(chosen)
    return Continued([trial.number for trial in chosen], total)


def _asked(opened: OpenStudy, trials: Sequence[FrozenTrial], number: int) -> FrozenTrial:
    if not 0 <= number < len(trials):
        raise StudyError(
            f"There is no such trial. Received: --trial {number}, of {len(trials)} trials. "
            "See `hpo trials`."
        )
    if hindrance := _hindrance(opened, trials[number]):
        raise StudyError(f"{hindrance} Received: --trial {number}.")
    return trials[number]


def _hindrance(opened: OpenStudy, trial: FrozenTrial) -> str | None:
    """Returns why a trial cannot be continued; None where it can."""
    if not trial.state.is_finished():
        return "A trial that has not ended goes on by itself: type `hpo run`."
    if trial.user_attrs.get("reason") in ("imported", "duplicate"):
        return "A trial must have been trained in this study to be continued."
    if value_of(trial) == objectives_of(opened.record.settings).first.perfect:
        return "A trial that is perfect on the validation images cannot become better there."
    if read_config(trial).is_solved:
        return "A solved head has no epochs that could be continued."
    if not has_checkpoint(opened.files.checkpoints(trial.number)):
        return (
            "The last checkpoint of a trial is kept while it is one of the best "
            f"{opened.record.settings['keep_top']} (`keep_top` in the file of settings)."
        )
    return None
