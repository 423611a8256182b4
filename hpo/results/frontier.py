"""Which trials are worth their cost: the metric against latency or size."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpo.quiet import load_tensorflow
from hpo.results.ranking import Ranking
from hpo.results.rebuild import trusted_catalogue
from hpo.results.tables import Cell, Column, Table
from hpo.results.trial_rows import TrialRow
from hpo.results.winner import Winner
from hpo.search.open_study import OpenStudy
from models.config import ModelConfig
from studies.errors import StudyError
from studies.metrics import COSTS, Metric
from studies.record import CONFIG_KEY
from studies.trial_config import TrialConfig

MOST_NETWORKS = 12
"""Networks that are measured, those of the best trials; each takes a few seconds."""


@dataclass(frozen=True)
class Objective:
    """What a trial may cost.

    Attributes:
        cost: Name of a row of `studies.metrics.COSTS`.
        most: The limit; None takes the cheapest of the trials that may be as good as the best.
    """

    cost: str
    most: float | None = None

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Reads the name of a cost, alone or with a limit such as `latency<=20`.

        Raises:
            ValueError: It is neither.
        """
        found = re.fullmatch(r"(\w+)(?:<=?(\d+(?:\.\d+)?))?", text.lower().replace(" ", ""))
        if not found or found[1] not in COSTS:
            names = " or ".join(COSTS)
            raise ValueError(f"must be {names}, alone or with a limit such as latency<=20")
        return cls(found[1], float(found[2]) if found[2] else None)


@dataclass(frozen=True)
class Point:
    """A trial with what its exported network costs.

    Attributes:
        row: The trial.
        costs: Name of a cost to its value, see `studies.metrics.COSTS`.
    """

    row: TrialRow
    costs: Mapping[str, float]

    @property
    def config(self) -> TrialConfig:
        """Its settings."""
        return _settings(self.row)


@dataclass(frozen=True)
class Frontier:
    """The trials that no cheaper one is as good as.

    Attributes:
        metric: What is good.
        objective: What is cheap.
        points: These trials, the best first and the cheapest last.
        chosen: The one that the objective asks for.
    """

    metric: Metric
    objective: Objective
    points: Sequence[Point]
    chosen: Point

    def table(self) -> Table:
        """Returns a row for each of them."""
        columns = [
            Column("frontier"),
            Column("trial", "d"),
            Column(self.metric.label, ".4f"),
            *(Column(cost.label, ".1f") for cost in COSTS.values()),
            Column("network"),
        ]
        rows: list[list[Cell]] = [
            [
                "chosen" if point is self.chosen else "",
                *(point.row.number, point.row.value),
                *(point.costs[name] for name in COSTS),
                point.config.summary,
            ]
            for point in self.points
        ]
        return Table(columns, rows)

    def as_json(self) -> list[dict[str, Any]]:
        """Returns it as JSON."""
        return [
            {
                "trial": point.row.number,
                "value": point.row.value,
                **point.costs,
                "chosen": point is self.chosen,
            }
            for point in self.points
        ]


def find_frontier(
    opened: OpenStudy, ranking: Ranking, winner: Winner | None, objective: Objective
) -> Frontier:
    """Measures the networks of the best trials and chooses one.

    Args:
        opened: The study.
        ranking: Its trials.
        winner: Which of them may be as good as the best; None if that is not known.
        objective: What is asked for.

    Raises:
        StudyError: No trial is within the limit.
    """
    points = _measured(opened, ranking)
    on = _not_dominated(points, objective.cost)
    if objective.most is None:
        good = {ranking.best[0].number, *(winner.as_good if winner else ())}
        return Frontier(ranking.metric, objective, on, [p for p in on if p.row.number in good][-1])
    within = [point for point in on if point.costs[objective.cost] <= objective.most]
    if not within:
        least = min(points, key=lambda point: point.costs[objective.cost])
        raise StudyError(
            f"--objective must leave a trial. Received: {objective.cost}<={objective.most:g}; the "
            f"cheapest is trial {least.row.number} with {least.costs[objective.cost]:.1f} "
            f"{COSTS[objective.cost].label}. "
            "Raise the limit, or search smaller backbones and sizes."
        )
    return Frontier(ranking.metric, objective, on, within[0])


def _measured(opened: OpenStudy, ranking: Ranking) -> list[Point]:
    """Returns the best trial of each network, best first."""
    catalogue = trusted_catalogue(opened, map(_settings, ranking.best))
    load_tensorflow()

    from hpo.training.device import as_it_is
    from hpo.training.programs import Programs

    programs, best = Programs(as_it_is(), catalogue=catalogue), dict[str, TrialRow]()
    for row in ranking.best:
        shape = _config(row).model_copy(update={"dropout": 0.0, "l2": 0.0, "trainable_stages": 0})
        best.setdefault(shape.model_dump_json(), row)
    return [Point(row, programs.costs(_config(row))) for row in list(best.values())[:MOST_NETWORKS]]


def _config(row: TrialRow) -> ModelConfig:
    return _settings(row).model


def _settings(row: TrialRow) -> TrialConfig:
    return TrialConfig.model_validate(row.attributes[CONFIG_KEY])


def _not_dominated(points: Sequence[Point], cost: str) -> list[Point]:
    """Returns those that are cheaper than all better ones; `points` come best first."""
    on: list[Point] = []
    for point in points:
        if not on or point.costs[cost] < on[-1].costs[cost]:
            on.append(point)
    return on
