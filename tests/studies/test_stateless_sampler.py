"""The sampler without a state of its own."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from studies.samplers import TPE, Random
from studies.stateless_sampler import StatelessSampler
from studies.suggest import suggest
from tests.studies.spaces import DIGITS, space_of

SPACE = space_of(facts=DIGITS)
SAMPLERS = [TPE(n_startup_trials=3), Random()]


class Killed(Exception):  # noqa: N818 - stands for a signal
    """The process ends here."""


class Dying:
    """A trial whose process is killed after some of its settings were drawn."""

    def __init__(self, trial: optuna.Trial, draws: int) -> None:
        self._trial, self._left = trial, draws

    def __getattr__(self, name: str) -> Any:
        def suggest_or_die(*args: Any, **kwargs: Any) -> Any:
            if not self._left:
                raise Killed
            self._left -= 1
            return getattr(self._trial, name)(*args, **kwargs)

        return suggest_or_die


def study_of(sampler: TPE | Random, seed: int = 0, finished: int = 6) -> optuna.Study:
    """A study with trials that have finished, which its sampler learns from."""
    study = optuna.create_study(direction="maximize", sampler=StatelessSampler(sampler, seed))
    for _ in range(finished):
        trial = study.ask()
        rate = suggest(trial, SPACE, DIGITS).optimizer.learning_rate
        study.tell(trial, -abs(rate - 0.003))
    return study


def draw_in_parts(study: optuna.Study, parts: list[int]) -> dict[str, Any]:
    """Draws a trial's settings with a kill after each of the parts, as `Claims` does."""
    trial = study.ask()
    for draws in parts:
        try:
            suggest(Dying(trial, draws), SPACE, DIGITS)  # type: ignore[arg-type]
        except Killed:
            study.sampler = StatelessSampler(study.sampler._settings, study.sampler._seed)
            trial = optuna.Trial(study, trial._trial_id)
    suggest(trial, SPACE, DIGITS)
    return dict(trial.params)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.name)
@settings(max_examples=15, deadline=None)
@given(parts=st.lists(st.integers(0, 8), max_size=3))
def test_an_interrupted_draw_gives_the_same(sampler: TPE | Random, parts: list[int]) -> None:
    """What was drawn before a kill does not shift the random numbers of the rest."""
    assert draw_in_parts(study_of(sampler), parts) == draw_in_parts(study_of(sampler), [])


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.name)
def test_trials_and_seeds_differ(sampler: TPE | Random) -> None:
    """No two trials of a study, and no two studies' first trials, are drawn alike."""
    both = [*study_of(sampler, seed=0).trials, *study_of(sampler, seed=1).trials]
    assert len({trial.value for trial in both}) == 12


def test_a_continued_study_goes_on_the_same() -> None:
    """Ten trials in one process, and in ten: the same ten."""
    undisturbed = study_of(TPE(n_startup_trials=3), finished=10)
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(study_name="s", storage=storage, direction="maximize")
    for _ in range(10):
        sampler = StatelessSampler(TPE(n_startup_trials=3), 0)
        study = optuna.load_study(study_name="s", storage=storage, sampler=sampler)
        trial = study.ask()
        rate = suggest(trial, SPACE, DIGITS).optimizer.learning_rate
        study.tell(trial, -abs(rate - 0.003))
    assert [t.params for t in study.trials] == [t.params for t in undisturbed.trials]


def test_learns() -> None:
    """TPE proposes better trials than chance, so the finished ones reach it."""
    means = {}
    for sampler in (TPE(), Random()):
        study = study_of(sampler, finished=60)
        values = study.get_trials(states=(TrialState.COMPLETE,))[30:]
        means[sampler.name] = sum(trial.value or 0.0 for trial in values) / 30
    assert means["tpe"] > means["random"]
