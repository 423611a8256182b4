"""Trials of other studies that a sampler begins with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, create_trial

from studies.learning import Learned, Lesson, Lessons, lessons_of, likeness, with_lessons
from studies.metrics import METRICS
from studies.recent_tpe import RecentTPESampler
from studies.record import Reason
from studies.samplers import TPE, Random
from studies.stateless_sampler import StatelessSampler
from tests.studies.spaces import PHOTOS
from tests.studies.test_transfer import WIDE, trial_of

X = {"x": FloatDistribution(-1.0, 1.0), "y": FloatDistribution(0.01, 1.0, log=True)}
ACCURACY = METRICS["accuracy"]


def teacher(score: Callable[[float], float], name: str = "other") -> Lessons:
    """What a study of 41 values of x teaches, the best first."""
    values = sorted(((place - 20) / 20 for place in range(41)), key=score, reverse=True)
    rows = [
        Lesson(params={"x": x, "y": 0.1}, standing=1 - (place + 0.5) / 41)
        for place, x in enumerate(values)
    ]
    return Lessons(study=name, trials=tuple(rows))


def own(xs: list[float], score: Callable[[float], float]) -> list[FrozenTrial]:
    """Trials of the study itself."""
    trials = [create_trial(value=score(x), params={"x": x, "y": 0.1}, distributions=X) for x in xs]
    for number, trial in enumerate(trials):
        trial.number = number
    return trials


def rising(x: float) -> float:
    """The larger x, the better."""
    return x


def falling(x: float) -> float:
    """The smaller x, the better."""
    return -x


class TestLessons:
    """What a study teaches another one."""

    def teach(self, *trials: FrozenTrial, metric: str = "accuracy") -> Lessons:
        """What these trials teach a study of the wide space."""
        return lessons_of("narrow", trials, WIDE, PHOTOS, METRICS[metric])

    def test_the_best_comes_first(self) -> None:
        """Standings say nothing of the height of an accuracy, only of its place."""
        trials = [
            trial_of(0, {"dropout": 0.3}),
            trial_of(1, {"dropout": 0.3, "optimizer": "rmsprop"}),
        ]
        trials[1].user_attrs["figures"] = {"accuracy": 0.9, "loss": 0.4}
        lessons = self.teach(*trials)
        assert [lesson.params["optimizer"] for lesson in lessons.trials] == ["rmsprop", "adam"]
        assert [lesson.standing for lesson in lessons.trials] == [0.75, 0.25]

    def test_images_of_other_classes(self) -> None:
        """How many classes a set has is no setting."""
        trial = trial_of(0, {"dropout": 0.3})
        trial.user_attrs["config"]["model"]["classes"] = 7
        assert len(self.teach(trial).trials) == 1

    @pytest.mark.parametrize("reason", ["failed", "duplicate"])
    def test_nothing_is_learned_from(self, reason: Reason) -> None:
        """A failure may have been the machine's, and a duplicate counts once."""
        lessons = self.teach(trial_of(0, {"dropout": 0.3}, reason))
        assert (len(lessons.trials), lessons.outside) == (0, 0)

    def test_what_lies_outside_is_counted(self) -> None:
        """A setting that this space does not hold, a metric that nobody measured, a stranger."""
        inside = trial_of(0, {"dropout": 0.3})
        assert self.teach(inside, trial_of(1, {"dropout": 0.1})).outside == 1
        assert self.teach(inside, metric="macro_f1").outside == 1
        assert self.teach(inside, create_trial(value=1.0)).outside == 1
        trial = trial_of(1, {"dropout": 0.3})
        trial.user_attrs["config"]["model"]["backbone"] = "somebody_s_own"
        assert self.teach(inside, trial).outside == 1


class TestLikeness:
    """How alike two studies rank settings."""

    def of(self, xs: list[float], score: Callable[[float], float]) -> float:
        """The likeness of such a study to one where more is better."""
        trials = own(xs, score)
        places = {trial.number: trial.values[0] for trial in trials}
        return likeness(places, trials, teacher(rising), X)

    def test_more_trials_tell_more(self) -> None:
        """A study is trusted at first, and then by what it proves to be worth."""
        few, many = [-0.5, 0.5], [place / 6 for place in range(-6, 7)]
        assert self.of([], rising) == pytest.approx(0.6)
        assert 0.6 < self.of(few, rising) < self.of(many, rising) < 1
        assert self.of(few, falling) < 0.6
        assert self.of(many, falling) == 0

    def test_equal_values_tell_nothing(self) -> None:
        """As on a set where everything is perfect."""
        assert self.of([-0.5, 0.0, 0.5], lambda x: 1.0) == pytest.approx(0.6)


def test_borrowed_trials_come_before_the_study_s_own() -> None:
    """All of them are told apart by their standing, the study's own too."""
    trials = own([0.1, 0.9], rising)
    learned = Learned([teacher(rising)], X)
    joined = with_lessons(trials, learned, maximize=True)
    assert [trial.number for trial in joined] == [*range(2 - len(joined), 0), 0, 1]
    assert [trial.values for trial in joined[-2:]] == [[0.25], [0.75]]
    assert [trial.values for trial in trials] == [[0.1], [0.9]]  # they are those of the study
    values = [trial.values[0] for trial in joined[:-2]]
    assert values == sorted(values, reverse=True)
    more, less = (with_lessons([], learned, maximize=kind) for kind in (True, False))
    assert [-trial.values[0] for trial in more] == [trial.values[0] for trial in less]


def _proposals(learned: Learned | None, score: Callable[[float], float]) -> list[float]:
    found = []
    for seed in range(20):
        sampler = RecentTPESampler(learned, seed=seed, n_startup_trials=10)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.add_trials(own([-0.9, -0.3, 0.3, 0.9], score))
        found.append(study.ask(X).params["x"])
    return found


def test_the_first_proposals_are_where_the_others_were_good() -> None:
    """Without other studies they are drawn at random."""
    learned = Learned([teacher(lambda x: -abs(x - 0.6), "a")], X)
    score = lambda x: -abs(x - 0.5)  # noqa: E731
    near = [abs(x - 0.6) < 0.3 for x in _proposals(learned, score)]
    by_chance = [abs(x - 0.6) < 0.3 for x in _proposals(None, score)]
    assert sum(near) > 15 > sum(by_chance)


def test_a_study_that_goes_on_proposes_the_same() -> None:
    """What was learned is no state of a process."""

    def propose(sampler: Any) -> dict[str, Any]:
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.add_trials(own([-0.9, 0.3], rising))
        return dict(study.ask(X).params)

    learned = Learned([teacher(falling), teacher(rising, "b")], X)
    first, again = (propose(StatelessSampler(TPE(), 3, learned)) for _ in range(2))
    assert first == again != propose(StatelessSampler(TPE(), 3))
    assert propose(StatelessSampler(Random(), 3, learned)) == propose(StatelessSampler(Random(), 3))


def test_distributions_are_those_that_trials_have() -> None:
    """Of every parameter that trials of the space may have, switches among them."""
    trial = trial_of(0, {"dropout": 0.3})
    lessons = lessons_of("narrow", [trial], WIDE, PHOTOS, ACCURACY)
    learned = Learned.of([lessons], WIDE)
    assert {"dropout", "l2", "l2_on", "backbone"} <= learned.distributions.keys()
    (borrowed,) = with_lessons([], learned, maximize=True)
    assert borrowed.params == lessons.trials[0].params
