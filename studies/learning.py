"""What trials of other studies tell a new one: `hpo run --learn-from`.

The sampler begins with their trials among its own. Those of a study count the more, the more alike
it and this one rank the same settings, as in meta-learning for TPE (Watanabe et al. 2022, who
compare the good trials) and in ensembles weighted by rankings (Feurer et al. 2018). How good a
trial of another study is, is told by its place among the trials of that study: accuracies on other
images cannot be compared.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial
from pydantic import BaseModel, ConfigDict

from studies.domains import Choices, Fixed, Value
from studies.errors import StudyError
from studies.objectives import validation_loss, value_in
from studies.record import CONFIG_KEY, read_config
from studies.scheduler import rank
from studies.suggest import params_of, suggest

if TYPE_CHECKING:
    from studies.metrics import Metric
    from studies.space import DataFacts, Space

MOST_BORROWED = 40
"""Trials that the sampler takes from a study that ranks settings just as this one does."""
TRUST, TRUSTED_PAIRS = 0.8, 15
"""Before there are trials to compare, so many pairs of them count as compared, of which this share
was ranked alike."""
MOST_COMPARED = 30
"""Trials of this study, the newest ones, by which rankings are compared."""


class Lesson(BaseModel):
    """A trial of another study.

    Attributes:
        params: Its settings as Optuna's parameters in the space of the study that learns.
        standing: Its place among the trials of its study, above 0 and below 1; more is better.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    params: dict[str, Value]
    standing: float


class Lessons(BaseModel):
    """What one study teaches.

    Attributes:
        study: Its name.
        trials: Its trials, the best first.
        outside: How many more had settings that the other space does not hold, or no figure.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: str
    trials: tuple[Lesson, ...]
    outside: int = 0


@dataclass(frozen=True)
class Learned:
    """What the sampler of a study begins with.

    Attributes:
        lessons: What other studies teach, one entry each.
        distributions: Those of all parameters of the study's space.
    """

    lessons: Sequence[Lessons]
    distributions: Mapping[str, BaseDistribution]

    @classmethod
    def of(cls, lessons: Sequence[Lessons], space: Space) -> Learned:
        """Returns it for a space."""
        distributions: dict[str, BaseDistribution] = {}
        for name in space.searched:
            domain = space[name]
            assert not isinstance(domain, Fixed)
            value = domain.values[0] if isinstance(domain, Choices) else domain.low
            trial = FixedTrial(dict(domain.params(name, value)))
            domain.suggest(trial, name)
            distributions |= trial.distributions
        return cls(lessons, distributions)


def standings(count: int) -> list[float]:
    """Returns the standing of each place, the first one first."""
    return [1 - (place + 0.5) / count for place in range(count)]


def lessons_of(
    name: str, trials: Iterable[FrozenTrial], space: Space, facts: DataFacts, metric: Metric
) -> Lessons:
    """Returns what the trials of a study teach another one.

    Args:
        name: The study's name.
        trials: Its trials; those that failed, or repeated another one, teach nothing.
        space: The space of the study that learns.
        facts: The data of the study that learns.
        metric: Its metric, which all trials have figures of, whatever their own study's was.
    """
    found: list[tuple[tuple[float, float, int], dict[str, Value]]] = []
    outside = 0
    for trial in trials:
        ended = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        if not ended or trial.user_attrs.get("reason") == "duplicate":
            continue
        value, params = value_in(metric, trial.user_attrs), _params(trial, space, facts)
        if value is None or params is None:
            outside += 1
            continue
        loss = validation_loss(trial.user_attrs)
        key = rank(value, loss, trial.number, maximize=metric.maximize)
        found.append((key, params))
    found.sort(key=lambda row: row[0])
    places = zip(found, standings(len(found)), strict=True)
    rows = tuple(Lesson(params=row[1], standing=standing) for row, standing in places)
    return Lessons(study=name, trials=rows, outside=outside)


def _params(trial: FrozenTrial, space: Space, facts: DataFacts) -> dict[str, Value] | None:
    """Returns a trial's parameters in another space; None where that does not hold them."""
    if CONFIG_KEY not in trial.user_attrs:
        return None
    config = read_config(trial)
    if config.model.backbone not in space.values("backbone"):
        return None  # perhaps a network of somebody's own, which nothing here knows
    model = config.model.model_copy(update={"classes": facts.classes})
    config = config.model_copy(update={"model": model})
    try:
        params = params_of(config, space)
    except StudyError:
        return None
    # A size that the space fixes is no parameter, and a trial of another size is another trial.
    return params if suggest(FixedTrial(dict(params)), space, facts) == config else None


def with_lessons(
    trials: Sequence[FrozenTrial], learned: Learned, *, maximize: bool
) -> list[FrozenTrial]:
    """Returns a study's trials and those that it borrows, with their standings for values.

    Args:
        trials: The study's own, those of equal value sorted by their loss.
        learned: What other studies teach.
        maximize: Whether more of the study's objective is better.
    """
    sign = 1.0 if maximize else -1.0
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    complete.sort(key=lambda trial: -sign * trial.values[0])  # stable
    own = dict(zip((t.number for t in complete), standings(len(complete)), strict=True))
    borrowed = [
        _borrowed(lesson, learned.distributions, sign)
        for each in learned.lessons
        for lesson in _chosen(each, likeness(own, complete, each, learned.distributions))
    ]
    for number, trial in enumerate(borrowed, start=-len(borrowed)):
        trial.number = number  # before the study's own, as TPE weighs trials by their age
    return [*borrowed, *(_placed(trial, own, sign) for trial in trials)]


def _placed(trial: FrozenTrial, own: Mapping[int, float], sign: float) -> FrozenTrial:
    if trial.number not in own:
        return trial
    placed = copy.copy(trial)
    placed.values = [sign * own[trial.number]]
    return placed


def _chosen(lessons: Lessons, share: float) -> Sequence[Lesson]:
    """Returns as many trials as the likeness of a study allows, from its best to its worst."""
    count = min(round(share * MOST_BORROWED), len(lessons.trials))
    return [lessons.trials[place * len(lessons.trials) // count] for place in range(count)]


def _borrowed(
    lesson: Lesson, distributions: Mapping[str, BaseDistribution], sign: float
) -> FrozenTrial:
    return create_trial(
        value=sign * lesson.standing,
        params=lesson.params,
        distributions={name: distributions[name] for name in lesson.params},
    )


def likeness(
    own: Mapping[int, float],
    trials: Sequence[FrozenTrial],
    lessons: Lessons,
    distributions: Mapping[str, BaseDistribution],
) -> float:
    """Returns how alike two studies rank settings: 1 if just as each other, 0 if by chance.

    Each trial of this study is compared with the other study's one whose settings come nearest
    (Kendall's tau of the two rankings).

    Args:
        own: Number to standing of this study's trials.
        trials: These trials.
        lessons: The other study's.
        distributions: Those of all parameters.
    """
    alike, pairs = TRUST * TRUSTED_PAIRS, float(TRUSTED_PAIRS)
    trials = sorted(trials, key=lambda trial: trial.number)[-MOST_COMPARED:]
    if len(trials) > 1 and lessons.trials:
        here = np.array([own[trial.number] for trial in trials])
        coded = _coded([trial.params for trial in trials], distributions)
        known = _coded([lesson.params for lesson in lessons.trials], distributions)
        nearest = [int(_distances(row, known, distributions).argmin()) for row in coded]
        there = np.array([lessons.trials[index].standing for index in nearest])
        first, second = np.triu_indices(len(trials), 1)
        products = np.sign(here[first] - here[second]) * np.sign(there[first] - there[second])
        alike += int((products > 0).sum())
        pairs += int((products != 0).sum())  # two settings with one neighbour tell nothing
    return max(0.0, 2 * alike / pairs - 1)


def _coded(
    rows: Sequence[Mapping[str, Value]], distributions: Mapping[str, BaseDistribution]
) -> npt.NDArray[np.float64]:
    """Returns parameters as numbers (n, parameters), ranges as 0..1 and missing ones as -1."""
    return np.array([[_code(row, name, d) for name, d in distributions.items()] for row in rows])


def _code(row: Mapping[str, Value], name: str, distribution: BaseDistribution) -> float:
    if name not in row:
        return -1.0
    code = distribution.to_internal_repr(row[name])
    if isinstance(distribution, CategoricalDistribution):
        return code
    low, high = (distribution.to_internal_repr(getattr(distribution, end)) for end in _ENDS)
    if getattr(distribution, "log", False):
        code, low, high = np.log([code, low, high])
    return float((code - low) / (high - low)) if high > low else 0.0


_ENDS = ("low", "high")


def _distances(
    row: npt.NDArray[np.float64],
    rows: npt.NDArray[np.float64],
    distributions: Mapping[str, BaseDistribution],
) -> npt.NDArray[np.float64]:
    """Returns how far settings are from each of the others, at most 1 for each parameter."""
    named = np.array([isinstance(d, CategoricalDistribution) for d in distributions.values()])
    whole = named | (row < 0) | (rows < 0)
    apart = np.where(whole, row != rows, np.abs(row - rows))
    return np.asarray(apart.sum(axis=1))
