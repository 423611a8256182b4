"""The contract of every pruner, and two of them held against Optuna's own."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from collections.abc import Sequence

import optuna
import pytest
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
)
from optuna.trial import TrialState

from studies.pruners import PRUNERS, Halving, Hyperband, Percentile, PrunerSettings
from studies.scheduler import Resume, TrialRecord

EPOCHS = 30


def curve(final: float, start: float = 0.1) -> list[float]:
    """A curve that rises from `start` to `final`."""
    return [start + (final - start) * (1 - 0.8**epoch) for epoch in range(1, EPOCHS + 1)]


def train(
    pruner: PrunerSettings,
    trials: list[TrialRecord],
    values: Sequence[float],
    *,
    maximize: bool = True,
) -> int:
    """Trains another trial until it is pruned, paused or at its end; returns the epochs it got."""
    number = len(trials)
    for epoch in range(1, len(values) + 1):
        trial = TrialRecord(number, "running", values[:epoch], epochs=len(values))
        judgement = pruner.judge(trial, [*trials, trial], maximize=maximize)
        if judgement == "prune":
            trials.append(TrialRecord(number, "ended", values[:epoch], reason="pruned"))
        elif judgement == "pause":
            trials.append(TrialRecord(number, "paused", values[:epoch], epochs=len(values)))
        if judgement != "continue":
            return epoch
    trials.append(
        TrialRecord(number, "ended", values, values[-1], epochs=len(values), reason="complete")
    )
    return len(values)


def study_with(pruner: PrunerSettings, trials: int = 12) -> list[TrialRecord]:
    """Returns trials of rising quality under a pruner."""
    made: list[TrialRecord] = []
    for number in range(trials):
        train(pruner, made, curve(0.5 + 0.02 * number))
    return made


@pytest.fixture(params=PRUNERS)
def pruner(request: pytest.FixtureRequest) -> PrunerSettings:
    """Each row with its default options."""
    return PRUNERS[request.param].settings()


class TestPruner:
    """What every row of PRUNERS must do."""

    @pytest.mark.parametrize("name", PRUNERS)
    def test_name_is_the_key(self, name: str) -> None:
        """A row's options carry its name, which is how a stored study finds it again."""
        assert PRUNERS[name].settings().name == name
        assert PRUNERS[name].help

    def test_the_best_is_never_pruned(self, pruner: PrunerSettings) -> None:
        """A trial that leads at every epoch runs to its end."""
        assert train(pruner, study_with(pruner), curve(0.99)) == EPOCHS

    def test_nothing_is_pruned_before_the_third_epoch(self, pruner: PrunerSettings) -> None:
        """The first epochs say too little."""
        assert train(pruner, study_with(pruner), curve(0.1, start=0.0)) >= 3

    def test_the_worst_is_pruned(self, pruner: PrunerSettings) -> None:
        """A hopeless trial does not run to its end, unless nothing is pruned at all."""
        epochs = train(pruner, study_with(pruner), curve(0.1, start=0.0))
        assert epochs == EPOCHS if pruner.name == "none" else epochs < EPOCHS

    def test_less_may_be_better(self, pruner: PrunerSettings) -> None:
        """Where the objective is minimized, it judges the other way round."""
        up, down = study_with(pruner), list[TrialRecord]()
        for trial in range(12):
            values = [-value for value in curve(0.5 + 0.02 * trial)]
            train(pruner, down, values, maximize=False)
        assert [len(trial.curve) for trial in down] == [len(trial.curve) for trial in up]

    def test_the_first_trial_is_not_pruned(self, pruner: PrunerSettings) -> None:
        """There is nothing to compare it with."""
        assert train(pruner, [], curve(0.3)) == EPOCHS

    def test_a_verdict_can_be_asked_for_again(self, pruner: PrunerSettings) -> None:
        """After a kill the same curves give the same answer."""
        trials = study_with(pruner)
        last = TrialRecord(len(trials), "running", curve(0.1, start=0.0)[:9], epochs=EPOCHS)
        answers = {pruner.judge(last, [*trials, last], maximize=True) for _ in range(3)}
        assert len(answers) == 1

    def test_resumes_the_earliest(self, pruner: PrunerSettings) -> None:
        """Whatever was paused goes on before another trial is started."""
        paused = [TrialRecord(number, "paused", [0.1]) for number in (4, 2, 3)]
        decision = pruner.choose(paused, paused, may_start=True, maximize=True)
        assert decision == Resume(2)


def test_patience_spares_what_still_improves() -> None:
    """With patience, a bad trial is pruned only once it stops improving."""
    trials = study_with(Percentile())
    assert train(Percentile(), list(trials), curve(0.3)) == 3
    assert train(Percentile(patience=2), list(trials), curve(0.3)) == EPOCHS


def test_percentile_decides_how_many_go_on() -> None:
    """The lower quarter is pruned at 75, the upper three at 25."""
    trials, middling = study_with(PRUNERS["none"].settings()), curve(0.5 + 0.02 * 7)
    assert train(Percentile(percentile=75), list(trials), middling) == EPOCHS
    assert train(Percentile(percentile=25), list(trials), middling) == 3


def noisy_curves(trials: int, epochs: int) -> list[list[float]]:
    """Curves that cross each other, some of them shorter and with equal values."""
    rng = random.Random(7)
    curves = []
    for _ in range(trials):
        final, rate = rng.uniform(0.3, 0.9), rng.uniform(0.05, 0.5)
        values = [
            round(final * (1 - 2.0 ** (-rate * epoch)) + rng.gauss(0, 0.03), 2)
            for epoch in range(1, epochs + 1)
        ]
        curves.append(values[: rng.choice([epochs, epochs, epochs // 2])])
    return curves


def epochs_of_optuna(
    pruner: BasePruner, curves: Sequence[Sequence[float]], *, maximize: bool
) -> list[int]:
    """Returns how many epochs Optuna lets each trial train, one after the other."""
    direction = "maximize" if maximize else "minimize"
    study = optuna.create_study(direction=direction, pruner=pruner)
    got = []
    for values in curves:
        trial = study.ask()
        for epoch, value in enumerate(values, 1):
            trial.report(value, epoch)
            if trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, values[-1])
        got.append(epoch)
    return got


def patient(pruner: BasePruner, patience: int) -> BasePruner:
    """Optuna's wrapper, which warns that it is experimental."""
    with warnings.catch_warnings(action="ignore"):
        return PatientPruner(pruner, patience=patience)


def percentile_of_optuna(percentile: float, startup: int, warmup: int, least: int) -> BasePruner:
    """Optuna's pruner with these options."""
    return PercentilePruner(
        percentile, n_startup_trials=startup, n_warmup_steps=warmup, n_min_trials=least
    )


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize(
    ("ours", "optunas"),
    [
        (Percentile(), percentile_of_optuna(75, 4, 3, 3)),
        (
            Percentile(percentile=50, n_startup_trials=0, n_warmup_epochs=0, n_min_trials=1),
            percentile_of_optuna(50, 0, 0, 1),
        ),
        (Percentile(patience=0), patient(percentile_of_optuna(75, 4, 3, 3), 0)),
        (Percentile(patience=3), patient(percentile_of_optuna(75, 4, 3, 3), 3)),
        (Halving(), SuccessiveHalvingPruner(min_resource=3, reduction_factor=3)),
        (
            Halving(min_epochs=1, reduction_factor=2),
            SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
        ),
    ],
    ids=["percentile", "median", "patience 0", "patience 3", "halving", "halving 1, 2"],
)
def test_against_optuna(ours: PrunerSettings, optunas: BasePruner, maximize: bool) -> None:
    """Every trial of 60 gets the same epochs as under Optuna's pruner."""
    curves = noisy_curves(60, 20)
    trials: list[TrialRecord] = []
    got = [train(ours, trials, values, maximize=maximize) for values in curves]
    assert got == epochs_of_optuna(optunas, curves, maximize=maximize)
    assert min(got) < max(got)


def test_brackets() -> None:
    """Trials are shared out among the brackets in Optuna's proportions, by their numbers."""
    ours = Hyperband(min_epochs=3, max_epochs=100, reduction_factor=3)
    counts = Counter(ours.bracket(number) for number in range(20_000))
    theirs = HyperbandPruner(min_resource=3, max_resource=100, reduction_factor=3)
    study = optuna.create_study(pruner=theirs)
    trial = study.ask()
    trial.report(0.0, 1)
    trial.should_prune()  # which makes it work out its brackets
    budgets = theirs._trial_allocation_budgets
    assert sorted(counts) == list(range(len(budgets)))
    for bracket, budget in enumerate(budgets):
        # Four standard deviations of a fair draw of 20,000.
        share = budget / sum(budgets)
        deviation = (share * (1 - share) / 20_000) ** 0.5
        assert abs(counts[bracket] / 20_000 - share) < 4 * deviation


def test_a_bracket_is_halving_of_its_trials() -> None:
    """A trial of a later bracket is judged at later rungs, and by its own bracket alone."""
    pruner = Hyperband(min_epochs=1, max_epochs=9, reduction_factor=3)
    harsh = [n for n in range(200) if pruner.bracket(n) == 0][:3]
    mild = [n for n in range(200) if pruner.bracket(n) == 1][:3]
    trials = [TrialRecord(n, "running", [0.9] * 3) for n in harsh[:2] + mild[:2]]

    def judged(number: int, epoch: int) -> str:
        return pruner.judge(TrialRecord(number, "running", [0.1] * epoch), trials, maximize=True)

    assert [judged(harsh[2], epoch) for epoch in (1, 2, 3)] == ["prune", "continue", "prune"]
    assert [judged(mild[2], epoch) for epoch in (1, 2, 3)] == ["continue", "continue", "prune"]


def test_no_bracket_where_trials_are_short() -> None:
    """Where the longest trial is shorter than the first rung there is one bracket."""
    assert {Hyperband(min_epochs=9, max_epochs=3).bracket(number) for number in range(99)} == {0}
