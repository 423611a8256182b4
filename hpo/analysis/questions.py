"""Answers to common questions about a study, from its own trials."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import optuna

from hpo.results.trial_rows import TrialRow
from hpo.search.open_study import OpenStudy
from studies.domains import SWITCH
from studies.metrics import Metric
from studies.optuna_private import StudyOfTrials, complete_trials
from studies.record import CLEAN_ACCURACY_KEY, HISTORY_KEY

KEYS = (HISTORY_KEY, CLEAN_ACCURACY_KEY)
"""User attributes that the answers are made of, beside those of every listing."""
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
        best: The objective at that epoch.
        last: The objective after the last epoch.
        lost: How much worse the last epoch is; never negative.
        validation: Validation accuracy at the best epoch.
        train: Training accuracy at the best epoch.
        clean: Whether that is on unchanged images and without dropout; otherwise it is the mean
            over the epoch, on augmented images.
    """

    trial: int
    label: str | None
    batch_size: int
    epochs: int
    limit: int
    best_epoch: int
    best: float
    last: float
    lost: float
    validation: float
    train: float
    clean: bool

    @property
    def gap(self) -> float:
        """Training minus validation accuracy at the best epoch."""
        return self.train - self.validation

    @property
    def overfitted(self) -> bool:
        """Whether the gap reaches the rule of thumb."""
        return self.gap >= RULE


@dataclass(frozen=True)
class Answers:
    """What the trials of one study say.

    Attributes:
        metric: The objective.
        importance: Setting to its share of what decides whether a trial is among the best.
        curves: The complete trials.
        batch_and_epoch: Rank correlation of batch size and best epoch; None where either is
            always the same.
    """

    metric: Metric
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


def answer(opened: OpenStudy, rows: Sequence[TrialRow], metric: Metric) -> Answers:
    """Answers the questions.

    Args:
        opened: The study.
        rows: Its trials, read with `KEYS`.
        metric: Its first objective.
    """
    complete = (row for row in rows if row.ranked and row.state == "COMPLETE")
    curves = [curve for row in complete if (curve := _curve(row, metric))]
    sizes = [float(curve.batch_size) for curve in curves]
    return Answers(
        metric=metric,
        importance=importance(opened),
        curves=curves,
        batch_and_epoch=rank_correlation(sizes, [float(curve.best_epoch) for curve in curves]),
    )


def importance(opened: OpenStudy) -> dict[str, float]:
    """Returns how much each setting decides whether a trial is among the best quarter.

    PED-ANOVA (Watanabe, Bansal & Hutter 2023), which knows settings that are not in every trial.
    Imported runs count as well. Empty where there are too few trials to say.
    """
    complete = complete_trials(opened.storage, opened.study)
    if len(complete) < FEWEST:
        return {}
    study = StudyOfTrials(opened.study, complete)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            # That it is experimental, and that some settings are in few trials: said by the text.
            warnings.simplefilter("ignore")
            found = optuna.importance.get_param_importances(
                study,
                evaluator=optuna.importance.PedAnovaImportanceEvaluator(
                    target_quantile=0.25, region_quantile=1.0, evaluate_on_local=True
                ),
                target=_first_objective if len(study.directions) > 1 else None,
                normalize=True,
            )
    finally:
        optuna.logging.set_verbosity(verbosity)
    shares: dict[str, float] = defaultdict(float)
    for name, share in found.items():
        # Whether a penalty is there at all is a parameter of its own, for people one setting.
        shares[name.removesuffix(SWITCH)] += share
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _first_objective(trial: optuna.trial.FrozenTrial) -> float:
    return float(trial.values[0])


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Returns Spearman's rho in [-1, 1], ties by their mean rank; None where one is constant."""
    from scipy.stats import spearmanr

    if len(set(one)) < 2 or len(set(other)) < 2:
        return None
    return float(spearmanr(one, other).statistic)


def _curve(row: TrialRow, metric: Metric) -> Curve | None:
    history: dict[str, list[float]] = row.attributes.get(HISTORY_KEY, {})
    objective = history.get(f"val_{metric.name}")
    best_epoch = row.attributes.get("best_epoch")
    if best_epoch is None or not objective or not {"accuracy", "val_accuracy"} <= history.keys():
        return None
    best, last = objective[best_epoch - 1], objective[-1]
    clean = row.attributes.get(CLEAN_ACCURACY_KEY)
    return Curve(
        trial=row.number,
        label=row.label,
        batch_size=row.settings["training.batch_size"],
        epochs=len(objective),
        limit=row.settings["training.epochs"],
        best_epoch=best_epoch,
        best=best,
        last=last,
        lost=max(0.0, metric.order(last) - metric.order(best)),
        validation=history["val_accuracy"][best_epoch - 1],
        train=history["accuracy"][best_epoch - 1] if clean is None else clean,
        clean=clean is not None,
    )
