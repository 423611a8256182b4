"""What is said of an ensemble: what it consists of, what it gains, and what it costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hpo.results.ensemble import Ensemble
from hpo.results.frontier import BYTES_A_WEIGHT
from hpo.results.tables import Cell, Column, Table
from studies.metrics import METRICS, Metric

if TYPE_CHECKING:
    from models.ensemble import Whole


@dataclass(frozen=True)
class Cost:
    """What a model costs where it is used.

    Attributes:
        parameters: Number of its weights.
        megabytes: Size of these, which is nearly all of an exported file.
        ms: Median milliseconds for one image on this machine.
    """

    parameters: int
    megabytes: float
    ms: float


def cost_of(whole: Whole) -> Cost:
    """Measures what an ensemble costs."""
    from hpo.results.speed import milliseconds

    parameters = int(whole.model.count_params())
    ms = milliseconds(whole.model, whole.sizes_px[-1])
    return Cost(parameters, parameters * BYTES_A_WEIGHT / 1e6, ms)


def members_table(ensemble: Ensemble) -> Table:
    """Returns a row for each network of an ensemble."""
    columns = [Column("trials"), Column("share", ".0%"), Column("network")]
    total = sum(ensemble.counts)
    rows: list[list[Cell]] = [
        ["+".join(map(str, member.trials)), count / total, member.config.summary]
        for member, count in zip(ensemble.members, ensemble.counts, strict=True)
    ]
    return Table(columns, rows)


def verdict(ensemble: Ensemble, metric: Metric, best: float, cost: Cost) -> str:
    """Returns what an ensemble is worth, in sentences.

    Args:
        ensemble: The ensemble.
        metric: The study's metric.
        best: Its value for the best trial.
        cost: What the ensemble costs.
    """
    if ensemble.alone is not None:
        return (
            f"Of {ensemble.candidates} networks no ensemble is better on the validation images "
            f"than trial {ensemble.alone} alone."
        )
    said = [
        f"Together their validation {metric.label} is {ensemble.figures[metric.name]:.4f}; that "
        f"of the best trial is {best:.4f}."
    ]
    if ensemble.gain:
        gained, low, high = ensemble.gain
        said.append(
            f"The accuracy differs by {gained:+.4f} (95 % interval {low:+.4f} to {high:+.4f})."
        )
    said += [
        f"Members were chosen on these images, from {ensemble.candidates} networks, so expect "
        "less on others; `--test` tells.",
        f"One image takes {cost.ms:.1f} ms here, and the weights {cost.megabytes:.1f} MB. "
        f"Temperature {ensemble.temperature:.2f} keeps its percentages honest.",
    ]
    return " ".join(said)


def as_json(ensemble: Ensemble, cost: Cost) -> dict[str, Any]:
    """Returns all of it."""
    total = sum(ensemble.counts)
    return {
        "members": [
            {"trials": list(member.trials), "share": count / total, "soup": len(member.trials) > 1}
            for member, count in zip(ensemble.members, ensemble.counts, strict=True)
        ],
        "chosen_from": ensemble.candidates,
        "figures": {name: ensemble.figures[name] for name in METRICS},
        "gain": ensemble.gain,
        "temperature": ensemble.temperature,
        **asdict(cost),
    }
