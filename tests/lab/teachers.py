"""What the recorded runs of other sets teach a study, as `hpo run --learn-from` would."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, create_trial

from studies.learning import Learned, lessons_of
from studies.metrics import METRICS
from studies.record import CONFIG_KEY, FIGURES_KEY
from tests.lab.curves import Run
from tests.lab.world import World


def learned_of(world: World, known: Sequence[World]) -> Learned:
    """Returns what all sets but one teach a study of that one."""
    facts, metric = world.curves.facts, METRICS["accuracy"]
    lessons = [
        lessons_of(other.curves.name, map(_trial, other.runs), world.space, facts, metric)
        for other in known
        if other.curves.name != world.curves.name
    ]
    return Learned.of([each for each in lessons if each.trials], world.space)


def _trial(run: Run) -> FrozenTrial:
    best = max(range(len(run.accuracy)), key=lambda epoch: run.accuracy[epoch])
    return create_trial(
        value=run.accuracy[best],
        user_attrs={
            CONFIG_KEY: run.config.model_dump(mode="json"),
            FIGURES_KEY: {"accuracy": run.accuracy[best], "loss": run.loss[best]},
        },
    )
