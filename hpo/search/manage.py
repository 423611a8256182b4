"""Renames and deletes studies, with all that belongs to them."""

from __future__ import annotations

import optuna
import sqlalchemy as sa

from hpo.search.open_study import OpenStudy, names
from hpo.search.prepare import require_name
from studies.errors import StudyError
from studies.leases import forget, held
from studies.optuna_private import rename_study, study_id, trial_id


def rename(opened: OpenStudy, name: str) -> None:
    """Gives a study another name. Its trials and files stay, and a running search goes on.

    Raises:
        StudyError: The name is not allowed, or another study has it.
    """
    require_name(name)
    taken = StudyError(
        f"Each study must have a name of its own. Received: {name!r}, which is taken. "
        "Choose another."
    )
    if name in names(opened.storage):
        raise taken
    try:
        rename_study(opened.storage, study_id(opened.study), name)
    except sa.exc.IntegrityError as error:  # somebody was faster
        raise taken from error


def delete(opened: OpenStudy) -> None:
    """Deletes a study with its trials, leases, weights, checkpoints and logs.

    Raises:
        StudyError: It is being searched.
    """
    trials = opened.study.get_trials(deepcopy=False)
    ids = [trial_id(trial) for trial in trials]
    running = [trial_id(trial) for trial in trials if not trial.state.is_finished()]
    if busy := held(opened.storage.engine, running):
        numbers = sorted(trial.number for trial in trials if trial_id(trial) in busy)
        raise StudyError(
            "A study cannot be deleted while it is searched. "
            f"Received: {opened.study.study_name!r}, whose trial {numbers[0]} is in training. "
            "Stop that with Ctrl-C first."
        )
    # The study comes last: after a kill in between, the command can be typed again.
    opened.files.delete()
    optuna.delete_study(study_name=opened.study.study_name, storage=opened.storage)
    forget(opened.storage.engine, study_id(opened.study), ids)
