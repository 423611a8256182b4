"""What the trials of a study are compared by: one figure or several.

A metric drives a trial: its best epoch, its early stopping, its pruning, and its place among the
others. What it is weighed against is measured at the trial's end and handed to the sampler.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from studies import scheduler
from studies.metrics import COSTS, METRICS, Cost, Metric
from studies.record import FIGURES_KEY, value_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from studies.optuna_private import FrozenStudy

Rank = tuple[float, float, int]
"""A key by which trials are sorted, the best first."""


@dataclass(frozen=True)
class Objectives:
    """The figures of a study, in the order of the values that Optuna keeps of a trial.

    Attributes:
        first: The one that drives a trial.
        costs: What it is weighed against.
    """

    first: Metric
    costs: tuple[Cost, ...] = ()

    @property
    def directions(self) -> list[Literal["maximize", "minimize"]]:
        """Whether more or less of each is better, in Optuna's words."""
        return [self.first.direction, *(cost.direction for cost in self.costs)]

    @property
    def names(self) -> list[str]:
        """What the dashboard calls each."""
        return [f"validation {self.first.label}", *(cost.label for cost in self.costs)]

    def values(self, value: float, figures: Mapping[str, float]) -> list[float]:
        """Returns what Optuna keeps of a complete trial.

        Args:
            value: Its metric.
            figures: Name to figure, the costs among them.

        Raises:
            KeyError: A cost is not known.
        """
        return [value, *(figures[cost.name] for cost in self.costs)]


def objectives_of(settings: Mapping[str, Any]) -> Objectives:
    """Returns the objectives of the settings that are stored with a study, as JSON."""
    costs = tuple(COSTS[name] for name in settings.get("against", ()))
    return Objectives(METRICS[settings["metric"]], costs)


def maximizes(study: Study | FrozenStudy) -> bool:
    """Returns whether more of a study's first objective is better; also for foreign studies."""
    return study.directions[0].name == "MAXIMIZE"


def value_in(metric: Metric, attributes: Mapping[str, Any]) -> float | None:
    """Returns a metric for the weights of a trial that were kept; None where it is not known.

    Args:
        metric: Any metric, not only the objective.
        attributes: The trial's user attributes, `FIGURES_KEY` and `best_val_*` among them. The
            latter are the figures at the best epoch in the arithmetic of the training, which is
            all that is known of a trial that was not trained to its end.
    """
    figures: Mapping[str, float] = attributes.get(FIGURES_KEY, {})
    return figures.get(metric.name, attributes.get(f"best_val_{metric.name}"))


def validation_loss(attributes: Mapping[str, Any]) -> float:
    """Returns the cross-entropy at the best epoch; infinity where it is not known.

    Args:
        attributes: A trial's user attributes, `FIGURES_KEY` and `best_val_loss` among them.
    """
    loss = value_in(METRICS["loss"], attributes)
    return math.inf if loss is None else loss


def rank(metric: Metric, value: float | None, attributes: Mapping[str, Any], number: int) -> Rank:
    """Returns the place of a trial: its value, then its validation loss, then its number.

    A small validation set, or an easy one, has many trials of the same accuracy. The loss still
    tells them apart: it says how sure they are.
    """
    return scheduler.rank(value, validation_loss(attributes), number, maximize=metric.maximize)


def rank_of(trial: FrozenTrial, metric: Metric) -> Rank:
    """Returns the place of a trial that Optuna has read; see `rank`."""
    return rank(metric, value_of(trial), trial.user_attrs, trial.number)
