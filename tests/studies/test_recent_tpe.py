"""TPE on long studies."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from studies import recent_tpe as module
from studies.recent_tpe import RecentTPESampler, recent

X = {"x": FloatDistribution(-1.0, 1.0), "y": FloatDistribution(0.1, 10.0, log=True)}


def trial_of(number: int, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    """A trial of a study, the better the nearer its number is to 7."""
    x, value = (number % 20 - 10) / 10, -abs(float(number) - 7)
    trial = create_trial(
        state=state,
        value=value if state is TrialState.COMPLETE else None,
        params={"x": x, "y": 1.0 + number % 3},
        distributions=X,
    )
    trial.number = number
    return trial


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few trials are long ago already."""
    monkeypatch.setattr(module, "NEWEST", 4)
    monkeypatch.setattr(module, "BEST", 2)


def test_keeps_the_newest_and_the_best(short: None) -> None:
    """Of what is older than the newest only the best complete ones stay, in order."""
    trials = [trial_of(number) for number in range(20)]
    assert [trial.number for trial in recent(trials, maximize=True)] == [6, 7, 16, 17, 18, 19]
    assert [trial.number for trial in recent(trials, maximize=False)] == [0, 15, 16, 17, 18, 19]


def test_running_trials_stay(short: None) -> None:
    """However long ago one was begun, the others keep away from it; failed ones count for none."""
    trials = [trial_of(number) for number in range(20)]
    trials[3] = trial_of(3, TrialState.RUNNING)
    trials[7] = trial_of(7, TrialState.PRUNED)
    trials[18] = trial_of(18, TrialState.FAIL)
    assert [t.number for t in recent(trials, maximize=True)] == [3, 6, 8, 15, 16, 17, 19]


def _propose(sampler: TPESampler, trials: int) -> dict[str, float]:
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials([trial_of(number) for number in range(trials)])
    trial = study.ask()
    return {
        "x": trial.suggest_float("x", -1, 1),
        "y": trial.suggest_float("y", 0.1, 10, log=True),
        "z": trial.suggest_float("z", 0, 1),
    }


def test_a_short_study_is_no_different() -> None:
    """As long as nothing is left out it proposes what TPE does."""
    ours, theirs = RecentTPESampler(seed=3), TPESampler(seed=3, multivariate=True)
    assert _propose(ours, 60) == _propose(theirs, 60)


def test_what_is_left_out_does_not_matter(short: None) -> None:
    """Two long studies that differ in long forgotten trials only get the same proposal."""
    proposals = []
    for forgotten in (0.0, 1.0):
        sampler = RecentTPESampler(seed=3, n_startup_trials=2)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for number in range(30):
            trial = trial_of(number)
            if 10 <= number < 20:
                trial.params = {"x": forgotten, "y": 1.0}
            study.add_trial(trial)
        proposals.append(study.ask(X).params)
    assert proposals[0] == proposals[1]


def test_of_equal_values_the_lower_loss_is_good() -> None:
    """On easy data most trials have the same accuracy; what tells them apart is learned from."""
    near = {}
    for good in (-0.8, 0.8):
        sampler = RecentTPESampler(seed=3, n_startup_trials=2)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for number in range(40):
            x = (number % 20 - 10) / 10
            study.add_trial(
                create_trial(
                    value=1.0,
                    params={"x": x, "y": 1.0},
                    distributions=X,
                    user_attrs={"best_val_loss": abs(x - good)},
                )
            )
        proposals = [study.ask(X).params["x"] for _ in range(20)]
        near[good] = sum(abs(x - good) < 0.4 for x in proposals)
    assert min(near.values()) >= 10  # by chance 6 of 20


def test_of_equal_values_the_lower_loss_is_kept(short: None) -> None:
    """Of the trials before the newest ones, too."""
    trials = [create_trial(value=1.0, user_attrs={"best_val_loss": 1 / n}) for n in range(1, 21)]
    for number, trial in enumerate(trials):
        trial.number = number
    assert [t.number for t in recent(trials, maximize=True)] == [14, 15, 16, 17, 18, 19]


def test_pruned_trials_of_several_objectives_are_left_out() -> None:
    """TPE would ask for the one direction that such a study does not have."""
    study = optuna.create_study(directions=["maximize", "minimize"])
    for number in range(12):
        study.add_trial(
            create_trial(
                values=[float(number), float(number)],
                params={"x": 0.1 * number - 0.6, "y": 1.0},
                distributions=X,
            )
        )
    pruned = create_trial(
        state=TrialState.PRUNED,
        params={"x": 0.5, "y": 1.0},
        distributions=X,
        intermediate_values={1: 0.5},
    )
    study.add_trial(pruned)
    study.sampler = RecentTPESampler(seed=0, multivariate=True)
    trial = study.ask()
    assert -1.0 <= trial.suggest_float("x", -1.0, 1.0) <= 1.0
