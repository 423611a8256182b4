"""`hpo run --from`: a new study that takes along the trials of another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hpo.search.open_study import OpenStudy
from hpo.search.plan import Plan
from studies.errors import StudyError
from studies.objectives import objectives_of
from studies.record import LABEL_KEY
from studies.transfer import take_over


def with_trials_of(source: OpenStudy, plan: Plan, say: Callable[[str], None]) -> Plan:
    """Returns a plan that takes along the trials of another study.

    Args:
        source: The other study.
        plan: The study that is about to be created.
        say: Tells the user what is taken.

    Raises:
        StudyError: The studies are not of the same images.
    """
    name = source.study.study_name
    if plan.manifest.digest != source.record.manifest_digest:
        raise StudyError(
            "--from needs a study with the same images in the same parts. "
            f"Received: --from {name}, whose images or parts differ. Leave out --data, --seed and "
            "the fractions, or start without --from."
        )
    trials = source.study.get_trials(deepcopy=False)
    objectives = objectives_of(plan.settings.model_dump())
    found = take_over(trials, name, plan.space, plan.facts, objectives, plan.first)
    weights = source.files.weights()
    taken = [(row.trial, weights.get(row.number)) for row in found]
    labels = {trial.user_attrs.get(LABEL_KEY) for trial, _ in taken}
    ended = sum(trial.state.is_finished() for trial in trials)
    say(
        f"Took over {len(taken)} of the {ended} finished trials of {name!r}, which count in "
        "--trials."
        + " The others failed, were duplicates, or lie outside the space."
        * (len(taken) < ended)
    )
    first = {label: params for label, params in plan.first.items() if label not in labels}
    return replace(plan, first=first, taken=taken)
