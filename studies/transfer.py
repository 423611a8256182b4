"""Trials of one study for another, whose space, sampler or metric is different.

The settings that a study was created with never change, so that its trials can be compared. To
change them, a user creates another study on the same images, which takes over finished trials.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from studies.domains import Value
from studies.errors import StudyError
from studies.objectives import Objectives, value_in
from studies.record import CONFIG_KEY, FIGURES_KEY, HISTORY_KEY, LABEL_KEY, TAKEN_KEY, read_config
from studies.space import DataFacts, Space
from studies.suggest import params_of, suggest

NOT_TAKEN = frozenset({"duplicate", "failed", "hung"})
"""How trials ended that tell another study nothing."""


@dataclass(frozen=True)
class Taken:
    """A trial that lies in the other study's space.

    Attributes:
        number: Its number in the study that it was trained in.
        trial: What is added to the other study.
    """

    number: int
    trial: FrozenTrial


def take_over(
    trials: Iterable[FrozenTrial],
    study: str,
    space: Space,
    facts: DataFacts,
    objectives: Objectives,
    first: Mapping[str, Mapping[str, Value]],
) -> Sequence[Taken]:
    """Returns the finished trials of a study that another one can have, on the same images.

    Each keeps its settings, its curves and how it ended. Its value is the other study's objective
    for the epoch that was kept. Trials that failed or repeated another one are left out, and so
    are those whose settings lie outside of the space. A step of the opening stays one, so that the
    other study does not begin with it again.

    Args:
        trials: The trials of the study.
        study: Its name.
        space: The other study's space.
        facts: The data, as the other study sees them.
        objectives: What the other study compares its trials by.
        first: Label to the parameters of the trials that come first there; one of the same
            settings takes the label.
    """
    labels = {tuple(sorted(params.items())): label for label, params in first.items()}
    taken = []
    for trial in trials:
        complete = trial.state is TrialState.COMPLETE
        if trial.user_attrs.get("reason") in NOT_TAKEN or CONFIG_KEY not in trial.user_attrs:
            continue
        if not complete and trial.state is not TrialState.PRUNED:
            continue
        config = read_config(trial)
        try:
            params = params_of(config, space)
        except StudyError:
            continue
        fixed = FixedTrial(dict(params))
        if suggest(fixed, space, facts) != config:
            continue  # of another image size
        value, values = value_in(objectives.first, trial.user_attrs), None
        if complete:
            try:
                assert value is not None
                values = objectives.values(value, trial.user_attrs.get(FIGURES_KEY, {}))
            except (AssertionError, KeyError):
                continue  # one figure is known of it, and another one is asked for
        history = trial.user_attrs.get(HISTORY_KEY, {})
        curve = history.get(f"val_{objectives.first.name}", [])
        attributes = trial.user_attrs | {TAKEN_KEY: f"{study} {trial.number}"}
        attributes.pop(LABEL_KEY, None)
        if label := labels.get(tuple(sorted(params.items()))):
            attributes[LABEL_KEY] = label
        taken.append(
            Taken(
                trial.number,
                create_trial(
                    state=trial.state,
                    values=values,
                    params=dict(params),
                    distributions=fixed.distributions,
                    intermediate_values=dict(enumerate(curve, start=1)),
                    user_attrs=attributes,
                ),
            )
        )
    return taken
