"""The contract of every pruner."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState

from studies.pruners import PRUNERS, Percentile, make_pruner

EPOCHS = 30


def train(study: optuna.Study, final: float, start: float = 0.1) -> int:
    """Reports a curve that rises from `start` to `final`; returns the epochs it got."""
    trial = study.ask()
    for epoch in range(1, EPOCHS + 1):
        value = start + (final - start) * (1 - 0.8**epoch)
        trial.report(value, epoch)
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return epoch
    study.tell(trial, value)
    return EPOCHS


def study_with(name: str, trials: int = 12) -> optuna.Study:
    """Returns a study of rising quality under a pruner."""
    study = optuna.create_study(
        study_name="curves", direction="maximize", pruner=make_pruner(PRUNERS[name].settings())
    )
    for number in range(trials):
        train(study, final=0.5 + 0.02 * number)
    return study


@pytest.mark.parametrize("name", PRUNERS)
class TestPruner:
    """What every row of PRUNERS must do."""

    def test_name_is_the_key(self, name: str) -> None:
        """A row's options carry its name, which is how a stored study finds it again."""
        assert PRUNERS[name].settings().name == name
        assert PRUNERS[name].help

    def test_the_best_is_never_pruned(self, name: str) -> None:
        """A trial that leads at every epoch runs to its end."""
        assert train(study_with(name), final=0.99) == EPOCHS

    def test_nothing_is_pruned_before_the_third_epoch(self, name: str) -> None:
        """The first epochs say too little."""
        assert train(study_with(name), final=0.1, start=0.0) >= 3

    def test_the_worst_is_pruned(self, name: str) -> None:
        """A hopeless trial does not run to its end, unless nothing is pruned at all."""
        epochs = train(study_with(name), final=0.1, start=0.0)
        assert epochs == EPOCHS if name == "none" else epochs < EPOCHS

    def test_the_first_trial_is_not_pruned(self, name: str) -> None:
        """There is nothing to compare it with."""
        assert train(study_with(name, trials=0), final=0.3) == EPOCHS


def test_patience_spares_what_still_improves() -> None:
    """With patience, a bad trial is pruned only once it stops improving."""
    study = study_with("percentile")
    assert train(study, final=0.3) == 3
    study.pruner = make_pruner(Percentile(patience=2))
    assert train(study, final=0.3) == EPOCHS


def test_percentile_decides_how_many_go_on() -> None:
    """The lower quarter is pruned at 75, the upper three at 25."""
    study = study_with("none")
    middling = 0.5 + 0.02 * 7
    study.pruner = make_pruner(Percentile(percentile=75))
    assert train(study, middling) == EPOCHS
    study.pruner = make_pruner(Percentile(percentile=25))
    assert train(study, middling) == 3
