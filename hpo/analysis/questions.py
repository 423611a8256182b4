"""What a study's own trials say about questions that hand-tuning leaves open."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import optuna

from hpo.results.trial_rows import TrialRow
from studies.record import HISTORY_KEY

RULE = 0.15
"""A gap of 15 to 20 points between training and validation accuracy is taken for overfitting."""
FEWEST = 10
"""With fewer complete trials nothing is said about importance."""


@dataclass(frozen=True)
class Curve:
    """How one trained trial went.

    Attributes:
        trial: Its number.
        label: Name of the baseline it is, or None.
        batch_size: Images a step.
        epochs: Epochs it trained.
        limit: Epochs it might have trained.
        best_epoch: The epoch that is kept, from 1.
        best: Validation accuracy at that epoch.
        last: Validation accuracy after the last epoch.
        train: Training accuracy at the best epoch, on augmented images and with dropout.
    """

    trial: int
    label: str | None
    batch_size: int
    epochs: int
    limit: int
    best_epoch: int
    best: float
    last: float
    train: float

    @property
    def lost(self) -> float:
        """What keeping the last epoch would cost."""
        return self.best - self.last

    @property
    def gap(self) -> float:
        """Training minus validation accuracy at the best epoch."""
        return self.train - self.best

    @property
    def overfitted(self) -> bool:
        """Whether the gap reaches the rule of thumb."""
        return self.gap >= RULE


@dataclass(frozen=True)
class Answers:
    """What the trials of one study say.

    Attributes:
        importance: Setting to its share of what decides whether a trial is among the best.
        curves: The complete trials.
        batch_and_epoch: Rank correlation of batch size and best epoch; None where either is
            always the same.
    """

    importance: Mapping[str, float]
    curves: Sequence[Curve]
    batch_and_epoch: float | None

    @property
    def chance(self) -> float:
        """Rank correlations up to this arise by chance in 95 % of such studies."""
        return 1.96 / float(np.sqrt(max(1, len(self.curves) - 1)))

    @property
    def median_lost(self) -> float:
        """What keeping the last epoch costs in the middle."""
        return median(curve.lost for curve in self.curves)


def answer(study: optuna.Study, rows: Sequence[TrialRow]) -> Answers:
    """Answers the questions.

    Args:
        study: The study.
        rows: Its trials, read with `HISTORY_KEY`.
    """
    complete = (row for row in rows if row.ranked and row.state == "COMPLETE")
    curves = [curve for row in complete if (curve := _curve(row))]
    sizes = [float(curve.batch_size) for curve in curves]
    return Answers(
        importance=importance(study),
        curves=curves,
        batch_and_epoch=rank_correlation(sizes, [float(curve.best_epoch) for curve in curves]),
    )


def importance(study: optuna.Study) -> dict[str, float]:
    """Returns how much each setting decides whether a trial is among the best quarter.

    PED-ANOVA (Watanabe, Bansal & Hutter 2023), which knows settings that are not in every trial.
    Imported runs count as well. Empty where there are too few trials to say.
    """
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < FEWEST:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.importance.get_param_importances(
            study,
            evaluator=optuna.importance.PedAnovaImportanceEvaluator(
                target_quantile=0.25, region_quantile=1.0, evaluate_on_local=True
            ),
            normalize=True,
        )


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Returns Spearman's rho in [-1, 1], ties by their mean rank; None where one is constant."""
    if len(set(one)) < 2 or len(set(other)) < 2:
        return None
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: Sequence[float]) -> np.ndarray:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place])


def _curve(row: TrialRow) -> Curve | None:
    history: dict[str, Any] = row.attributes.get(HISTORY_KEY, {})
    best_epoch = row.attributes.get("best_epoch")
    if best_epoch is None or not {"accuracy", "val_accuracy"} <= history.keys():
        return None
    validation = history["val_accuracy"]
    return Curve(
        trial=row.number,
        label=row.label,
        batch_size=row.settings["training.batch_size"],
        epochs=len(validation),
        limit=row.settings["training.epochs"],
        best_epoch=best_epoch,
        best=validation[best_epoch - 1],
        last=validation[-1],
        train=history["accuracy"][best_epoch - 1],
    )
