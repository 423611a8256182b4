"""Which trials are worth their cost: accuracy against milliseconds or megabytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from data_pipeline.cache import Cache
from hpo.results.ranking import Ranking
from hpo.results.tables import Cell, Column, Table
from hpo.results.trial_rows import TrialRow
from hpo.results.winner import Winner
from studies.errors import StudyError
from studies.metrics import Metric
from studies.record import CONFIG_KEY
from studies.trial_config import TrialConfig

BYTES_A_WEIGHT = 4
MOST_NETWORKS = 12
"""Networks that are measured, those of the best trials; each takes a few seconds."""
Unit = Literal["ms", "mb"]


@dataclass(frozen=True)
class Objective:
    """What a trial may cost.

    Attributes:
        unit: `ms` an image on this machine, or `mb` of weights.
        most: The limit; None takes the cheapest of the trials that may be as good as the best.
    """

    unit: Unit
    most: float | None = None

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Reads `ms`, `mb`, or one of them with a limit, such as `ms<=20`.

        Raises:
            ValueError: It is neither.
        """
        found = re.fullmatch(r"(ms|mb)(?:<=?(\d+(?:\.\d+)?))?", text.lower().replace(" ", ""))
        if not found:
            raise ValueError("must be ms, mb, or one of them with a limit such as ms<=20")
        unit: Unit = "ms" if found[1] == "ms" else "mb"
        return cls(unit, float(found[2]) if found[2] else None)


@dataclass(frozen=True)
class Point:
    """A trial with what its exported network costs.

    Attributes:
        row: The trial.
        ms: Milliseconds for one decoded image on this machine, the median of some.
        mb: Megabytes of its weights, which is nearly all of its file.
    """

    row: TrialRow
    ms: float
    mb: float

    @property
    def config(self) -> TrialConfig:
        """Its settings."""
        return TrialConfig.model_validate(self.row.attributes[CONFIG_KEY])

    def cost(self, unit: Unit) -> float:
        """Returns what it costs."""
        return self.ms if unit == "ms" else self.mb


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
            Column("ms", ".1f"),
            Column("MB", ".1f"),
            Column("network"),
        ]
        rows: list[list[Cell]] = [
            [
                "chosen" if point is self.chosen else "",
                *(point.row.number, point.row.value, point.ms, point.mb, point.config.summary),
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
                "ms": point.ms,
                "mb": point.mb,
                "chosen": point is self.chosen,
            }
            for point in self.points
        ]


def find_frontier(ranking: Ranking, winner: Winner | None, objective: Objective) -> Frontier:
    """Measures the networks of the best trials and chooses one.

    Args:
        ranking: The study's trials.
        winner: Which of them may be as good as the best; None if that is not known.
        objective: What is asked for.

    Raises:
        StudyError: No trial is within the limit.
    """
    points = _measured(ranking)
    on = _not_dominated(points, objective.unit)
    if objective.most is None:
        good = {ranking.best[0].number, *(winner.as_good if winner else ())}
        return Frontier(ranking.metric, objective, on, [p for p in on if p.row.number in good][-1])
    within = [point for point in on if point.cost(objective.unit) <= objective.most]
    if not within:
        least = min(points, key=lambda point: point.cost(objective.unit))
        raise StudyError(
            f"--objective must leave a trial. Received: {objective.unit}<={objective.most:g}; the "
            f"cheapest is trial {least.row.number} with {least.cost(objective.unit):.1f}. "
            "Raise the limit, or search smaller backbones and sizes."
        )
    return Frontier(ranking.metric, objective, on, within[0])


def _measured(ranking: Ranking) -> list[Point]:
    """Returns the best trial of each network, best first."""
    from hpo.results.latency import latency_ms
    from hpo.results.quiet import load_tensorflow

    load_tensorflow()
    cache, best = Cache(), dict[str, TrialRow]()
    for row in ranking.best:
        model = TrialConfig.model_validate(row.attributes[CONFIG_KEY]).model
        shape = model.model_copy(update={"dropout": 0.0, "l2": 0.0, "trainable_stages": 0})
        best.setdefault(shape.model_dump_json(), row)
    points = []
    for row in list(best.values())[:MOST_NETWORKS]:
        model = TrialConfig.model_validate(row.attributes[CONFIG_KEY]).model
        mb = row.attributes["parameters"] * BYTES_A_WEIGHT / 1e6
        points.append(Point(row, latency_ms(model, cache), mb))
    return points


def _not_dominated(points: Sequence[Point], unit: Unit) -> list[Point]:
    """Returns those that are cheaper than all better ones; `points` come best first."""
    on: list[Point] = []
    for point in points:
        if not on or point.cost(unit) < on[-1].cost(unit):
            on.append(point)
    return on
