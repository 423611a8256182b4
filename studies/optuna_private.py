"""Everything of Optuna that this program uses although Optuna does not promise to keep it.

Nothing else reaches behind Optuna's public interface, and `pyproject.toml` allows the one minor
version that this module was read against. When Optuna is upgraded, this is what to check.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.artifacts import ArtifactMeta
    from optuna.storages import BaseStorage, RDBStorage
    from optuna.study._frozen import FrozenStudy

# Optuna's tables, as its migrations keep them. `Study.get_trials` builds an object for each
# parameter: 14 s for 10,000 trials with their curves, where these tables take less than one.
TRIALS = sa.table(
    "trials",
    *map(sa.column, ("trial_id", "number", "study_id", "state")),
    sa.column("datetime_start", sa.DateTime()),
)
STATE = sa.cast(TRIALS.c.state, sa.Text)
"""As text: PostgreSQL compares its own kind of column with no text."""
VALUES = sa.table("trial_values", *map(sa.column, ("trial_id", "objective", "value")))
ATTRIBUTES = sa.table(
    "trial_user_attributes",
    sa.column("trial_id"),
    sa.column("key", sa.Text()),
    sa.column("value_json", sa.Text()),
)
EPOCHS = sa.table(
    "trial_intermediate_values", *map(sa.column, ("trial_id", "step", "intermediate_value"))
)


def study_id(study: Study | FrozenStudy) -> int:
    """Returns a study's id in its storage, by which its rows and leases are found."""
    return study._study_id


def trial_id(trial: Trial | FrozenTrial) -> int:
    """Returns a trial's id in its storage, by which its rows and leases are found."""
    return trial._trial_id


def storage_of(study: Study) -> BaseStorage:
    """Returns a study's storage, to read one trial without reading them all."""
    return study._storage


def set_trial_system_attr(study: Study, trial: int, key: str, value: Any) -> None:
    """Writes a system attribute of a trial, which the dashboard does not show.

    The public way, `Trial.set_system_attr`, is deprecated.
    """
    study._storage.set_trial_system_attr(trial, key, value)


def write_attributes(storage: RDBStorage, trial: int, attributes: Mapping[str, Any]) -> None:
    """Writes user attributes of a running trial: all of them or, after a kill, none.

    Optuna writes one at a time, each in a transaction of its own, and removes none; here None
    removes one.
    """
    rows = [
        {"trial_id": trial, "key": key, "value_json": json.dumps(value)}
        for key, value in attributes.items()
        if value is not None
    ]
    old = sa.and_(ATTRIBUTES.c.trial_id == trial, ATTRIBUTES.c.key.in_(list(attributes)))
    with storage.engine.begin() as connection:
        connection.execute(sa.delete(ATTRIBUTES).where(old))
        if rows:
            connection.execute(sa.insert(ATTRIBUTES), rows)


def write_note(trial: Trial, text: str) -> None:
    """Shows `text` with a trial in the dashboard, in place of what stood there.

    As `optuna_dashboard.save_note` does, which reads the notes of all trials twice for each.
    """
    key = f"dashboard:{trial_id(trial)}:note_"
    storage, study = storage_of(trial.study), study_id(trial.study)
    storage.set_study_system_attr(study, f"{key}str:0", text)
    storage.set_study_system_attr(study, f"{key}ver", 1)


def name_artifact(study: Study, meta: ArtifactMeta) -> None:
    """Writes what an artifact of a study is called, which cannot be changed publicly."""
    storage_of(study).set_study_system_attr(
        study_id(study), f"artifacts:{meta.artifact_id}", json.dumps(asdict(meta))
    )


class StudyOfTrials(Study):
    """A study as samplers read it, with these trials instead of its own.

    `optuna.samplers` takes no list of trials. TPE reads them with `Study._get_trials`.
    """

    def __init__(self, study: Study, trials: Sequence[FrozenTrial]) -> None:
        self.__dict__.update(study.__dict__)
        self._trials = trials

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        return [trial for trial in self._trials if states is None or trial.state in states]


class SchemaProblem(Enum):
    """Which Optuna made the tables of a storage that this one cannot use."""

    OLDER = "an older Optuna"
    NEWER = "a newer Optuna"


def schema_problem(error: RuntimeError) -> SchemaProblem | None:
    """Returns what is wrong with the tables of a storage; None where the error is another one.

    Optuna raises a plain RuntimeError, of which the text is the only sign.
    """
    text = str(error)
    if "table schema" not in text:
        return None
    return SchemaProblem.OLDER if "storage upgrade" in text else SchemaProblem.NEWER
