"""`hpo run --learn-from`: a new study whose sampler begins with trials of other studies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from hpo.search.open_study import OpenStudy
from hpo.search.plan import Plan
from studies.errors import StudyError
from studies.learning import lessons_of
from studies.objectives import objectives_of
from studies.samplers import SAMPLERS


def with_lessons_of(teachers: Sequence[OpenStudy], plan: Plan, say: Callable[[str], None]) -> Plan:
    """Returns a plan whose sampler learns from other studies, of whatever images.

    Args:
        teachers: The other studies.
        plan: The study that is about to be created.
        say: Tells the user what is learned from.

    Raises:
        StudyError: The sampler learns nothing, or a study has nothing to teach.
    """
    sampler = plan.settings.sampler.name
    if teachers and not SAMPLERS[sampler].learns:
        able = " or ".join(name for name, row in SAMPLERS.items() if row.learns)
        raise StudyError(
            "--learn-from needs a sampler that learns. "
            f"Received: sampler = {sampler!r}. Set it to {able}, or leave out --learn-from."
        )
    objectives = objectives_of(plan.settings.model_dump())
    if teachers and len(objectives.names) > 1:
        raise StudyError(
            "--learn-from needs a study of one objective. "
            f"Received: {', '.join(objectives.names)}. Leave out --against, or --learn-from."
        )
    metric = objectives.first
    learned = []
    for teacher in teachers:
        name, trials = teacher.study.study_name, teacher.study.get_trials(deepcopy=False)
        lessons = lessons_of(name, trials, plan.space, plan.facts, metric)
        usable, ended = len(lessons.trials), len(lessons.trials) + lessons.outside
        reason = f"settings outside this study's space, or no figure for {metric.label}"
        if not usable:
            what = f"all of the {ended} have {reason}" if ended else "none has ended"
            raise StudyError(
                "--learn-from needs a study with trials that the new one could have. "
                f"Received: {name!r}, of whose trials {what}. Leave it out, or widen [space]."
            )
        say(
            f"Learns from {usable} trials of {name!r}."
            + f" Left out: {lessons.outside} with {reason}." * bool(lessons.outside)
        )
        learned.append(lessons)
    return replace(plan, learned=learned)
