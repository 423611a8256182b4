"""What is said of an ensemble: what it consists of, what it gains, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hpo.results.ensemble import Ensemble
from hpo.results.tables import Cell, Column, Table
from studies.metrics import METRICS, Metric

if TYPE_CHECKING:
    from models.ensemble import Whole


def costs_of(whole: Whole) -> dict[str, float]:
    """Returns what an ensemble costs, by the rows of `studies.metrics.COSTS`."""
    from hpo.training.costs import measure_model

    return measure_model(whole.model, whole.sizes_px[-1])


def members_table(ensemble: Ensemble) -> Table:
    """Returns a row for each network of an ensemble."""
    columns = [Column("trials"), Column("share", ".0%"), Column("network")]
    total = sum(ensemble.counts)
    rows: list[list[Cell]] = [
        ["+".join(map(str, member.trials)), count / total, member.config.summary]
        for member, count in zip(ensemble.members, ensemble.counts, strict=True)
    ]
    return Table(columns, rows)


def verdict(ensemble: Ensemble, metric: Metric, best: float, costs: Mapping[str, float]) -> str:
    """Returns what an ensemble is worth, in sentences.

    Args:
        ensemble: The ensemble.
        metric: The study's metric.
        best: Its value for the best trial.
        costs: What `costs_of` returned for it.
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
        f"One image takes {costs['latency']:.1f} ms here, and the file {costs['size']:.1f} MB. "
        f"Temperature {ensemble.temperature:.2f} keeps its percentages honest.",
    ]
    return " ".join(said)


def as_json(ensemble: Ensemble, costs: Mapping[str, float]) -> dict[str, Any]:
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
        **costs,
    }
