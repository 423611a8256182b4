"""Tests of `studies.objectives`."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from studies.metrics import METRICS
from studies.objectives import maximizes, objectives_of, rank_of, validation_loss
from studies.record import Outcome


def test_one_objective() -> None:
    """The metric alone."""
    objectives = objectives_of({"metric": "loss"})
    assert objectives.first is METRICS["loss"]
    assert objectives.directions == ["minimize"]
    assert objectives.names == ["validation cross-entropy"]
    assert objectives.values(0.2, {}) == [0.2]


def test_a_metric_against_costs() -> None:
    """The metric comes first, and less of each cost is better."""
    objectives = objectives_of({"metric": "auc", "against": ["size", "latency"]})
    assert objectives.first is METRICS["auc"]
    assert objectives.directions == ["maximize", "minimize", "minimize"]
    assert objectives.names == ["validation AUC", "MB of the exported file", "ms an image"]
    assert objectives.values(0.9, {"latency": 3.0, "size": 8.0}) == [0.9, 8.0, 3.0]
    with pytest.raises(KeyError):
        objectives.values(0.9, {"latency": 3.0})


@pytest.mark.parametrize("directions", [["maximize"], ["maximize", "minimize"]])
def test_a_study_of_another_program_has_a_direction_too(directions: list[str]) -> None:
    """That of its first objective, however many it has."""
    assert maximizes(optuna.create_study(directions=directions))
    assert not maximizes(optuna.create_study(directions=["minimize", *directions]))


def test_ties_go_to_the_lower_loss_and_then_to_the_earlier_trial() -> None:
    """The loss of the weights that are kept counts, else that of the best epoch; none is last."""
    attributes = [
        {},
        {"best_val_loss": 0.3},
        {"best_val_loss": 0.1, "figures": {"loss": 0.4}},
        {"best_val_loss": 0.2},
        {"best_val_loss": 0.2},
        {"best_val_loss": 0.01},
    ]
    values = [0.9, 0.9, 0.9, 0.9, 0.9, 0.8]
    study = optuna.create_study(direction="maximize")
    for value, each in zip(values, attributes, strict=True):
        study.add_trial(create_trial(value=value, user_attrs=each))
    ranked = sorted(study.trials, key=lambda trial: rank_of(trial, METRICS["accuracy"]))
    assert [trial.number for trial in ranked] == [3, 4, 1, 2, 0, 5]


def test_an_outcome_keeps_its_loss() -> None:
    """What a trial ended with is what breaks its ties."""
    outcome = Outcome(
        reason="complete",
        value=0.9,
        figures={"accuracy": 0.9, "loss": 0.25},
        best_epoch=1,
        history={"val_accuracy": [0.9], "val_loss": [0.5]},
    )
    assert validation_loss(outcome.attributes()) == 0.25


def test_a_pruned_trial_has_no_rank_of_its_last_epoch() -> None:
    """Optuna keeps that as its value."""
    pruned = create_trial(state=TrialState.PRUNED, value=0.99)
    complete = create_trial(value=0.5)
    metric = METRICS["accuracy"]
    assert rank_of(complete, metric) < rank_of(pruned, metric)
