"""Everything of Optuna that this program uses although Optuna does not promise to keep it.

Nothing else reaches behind Optuna's public interface, and `pyproject.toml` allows the one minor
version that this module was read against. When Optuna is upgraded, this is what to check.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from optuna import Study
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.artifacts import ArtifactMeta
    from optuna.storages import RDBStorage
    from optuna.study._frozen import FrozenStudy as FrozenStudy

# Optuna's tables, as its migrations keep them. `Study.get_trials` builds an object for each
# parameter: 14 s for 10,000 trials with their curves, where these tables take less than one.
STUDIES = sa.table("studies", *map(sa.column, ("study_id", "study_name")))
TRIALS = sa.table(
    "trials",
    *map(sa.column, ("trial_id", "number", "study_id", "state")),
    sa.column("datetime_start", sa.DateTime()),
    sa.column("datetime_complete", sa.DateTime()),
)
STATE = sa.cast(TRIALS.c.state, sa.Text)
"""As text: PostgreSQL compares its own kind of column with no text."""
VALUES = sa.table("trial_values", *map(sa.column, ("trial_id", "objective", "value")))
PARAMS = sa.table(
    "trial_params",
    *map(sa.column, ("trial_id", "param_name", "param_value")),
    sa.column("distribution_json", sa.Text()),
)
ATTRIBUTES = sa.table(
    "trial_user_attributes",
    sa.column("trial_id"),
    sa.column("key", sa.Text()),
    sa.column("value_json", sa.Text()),
)
EPOCHS = sa.table(
    "trial_intermediate_values", *map(sa.column, ("trial_id", "step", "intermediate_value"))
)
STUDY_SYSTEM_ATTRIBUTES = sa.table("study_system_attributes", *map(sa.column, ("study_id", "key")))

_ARTIFACT = "artifacts:"
"""Begins the key of the system attribute by which Optuna and its dashboard know an artifact."""


def study_id(study: Study | FrozenStudy) -> int:
    """Returns a study's id in its storage, by which its rows and leases are found."""
    return study._study_id


def trial_id(trial: Trial | FrozenTrial) -> int:
    """Returns a trial's id in its storage, by which its rows and leases are found."""
    return trial._trial_id


def id_of_number(study: Study, number: int) -> int:
    """Returns the id of the trial of a number, without reading the trial or any other."""
    return study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)


def read_trial(study: Study, trial: int) -> FrozenTrial:
    """Returns a trial as it is now, by its id; `Study.get_trials` reads them all."""
    return study._storage.get_trial(trial)


def rename_study(storage: RDBStorage, study: int, name: str) -> None:
    """Gives the study of an id another name, which Optuna cannot.

    Its dashboard copies all trials into a new study.

    Raises:
        sqlalchemy.exc.IntegrityError: Another study has that name.
    """
    with storage.engine.begin() as connection:
        mine = STUDIES.c.study_id == study
        connection.execute(sa.update(STUDIES).where(mine).values(study_name=name))


def report(trial: Trial, value: float, step: int) -> None:
    """Writes an intermediate value; `Trial.report` refuses to in a study of several objectives.

    Raises:
        optuna.exceptions.UpdateFinishedTrialError: The trial has ended.
    """
    trial.storage.set_trial_intermediate_value(trial._trial_id, step, value)


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

    As `optuna_dashboard.save_note` does, which reads the notes of all trials twice for each:
    measured, its time grows with the square of the number of trials.
    """
    key = f"dashboard:{trial_id(trial)}:note_"
    storage, study = trial.study._storage, study_id(trial.study)
    storage.set_study_system_attr(study, f"{key}str:0", text)
    storage.set_study_system_attr(study, f"{key}ver", 1)


def artifacts_of(study: Study) -> Mapping[str, str]:
    """Returns what a study's own artifacts are called, by their ids; an empty entry has no name.

    Optuna's `get_all_artifact_meta` fails at an empty entry.

    Raises:
        KeyError: The study is gone.
    """
    return _artifacts(study._storage.get_study_system_attrs(study._study_id))


def all_artifacts_of(study: Study) -> Mapping[str, str]:
    """Returns the same of the study and of its trials, to which the dashboard can upload files.

    Raises:
        KeyError: The study is gone.
    """
    of_trials = [_artifacts(trial.system_attrs) for trial in study.get_trials(deepcopy=False)]
    return {id_: name for found in (artifacts_of(study), *of_trials) for id_, name in found.items()}


def _artifacts(attributes: Mapping[str, Any]) -> Mapping[str, str]:
    entries = {
        key.removeprefix(_ARTIFACT): json.loads(value)
        for key, value in attributes.items()
        if key.startswith(_ARTIFACT)
    }
    return {id_: entry["filename"] if entry else "" for id_, entry in entries.items()}


def offer_artifact(study: Study, meta: ArtifactMeta) -> None:
    """Lets the dashboard offer a file for download; `upload_artifact` would choose its id."""
    study._storage.set_study_system_attr(
        study._study_id, f"{_ARTIFACT}{meta.artifact_id}", json.dumps(asdict(meta))
    )


def withdraw_artifact(storage: RDBStorage, study: Study, artifact_id: str) -> None:
    """Ends that, for which Optuna has no call."""
    columns = STUDY_SYSTEM_ATTRIBUTES.c
    row = (columns.study_id == study._study_id) & (columns.key == f"{_ARTIFACT}{artifact_id}")
    with storage.engine.begin() as connection:
        connection.execute(sa.delete(STUDY_SYSTEM_ATTRIBUTES).where(row))


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


def complete_trials(storage: RDBStorage, study: Study) -> list[FrozenTrial]:
    """Returns a study's complete trials with nothing but their parameters and values.

    `Study.get_trials` reads all else as well and parses a distribution for each parameter of each
    trial: 14 s for 10,000 trials, where this takes one.
    """
    mine = (TRIALS.c.study_id == study._study_id) & (STATE == "COMPLETE")
    numbers = sa.select(TRIALS.c.trial_id, TRIALS.c.number).where(mine).order_by(TRIALS.c.number)
    values = sa.select(VALUES).join(TRIALS, TRIALS.c.trial_id == VALUES.c.trial_id).where(mine)
    params = sa.select(PARAMS).join(TRIALS, TRIALS.c.trial_id == PARAMS.c.trial_id).where(mine)
    with storage.engine.connect() as connection:
        trials = connection.execute(numbers).all()
        value_rows = connection.execute(values.order_by(VALUES.c.objective)).all()
        param_rows = connection.execute(params).all()
    values_of: dict[int, list[float]] = {row.trial_id: [] for row in trials}
    for row in value_rows:
        values_of[row.trial_id].append(row.value)
    parse = cache(json_to_distribution)
    params_of: dict[int, dict[str, Any]] = {row.trial_id: {} for row in trials}
    ranges_of: dict[int, dict[str, BaseDistribution]] = {row.trial_id: {} for row in trials}
    for row in param_rows:
        distribution = parse(row.distribution_json)
        ranges_of[row.trial_id][row.param_name] = distribution
        params_of[row.trial_id][row.param_name] = distribution.to_external_repr(row.param_value)
    return [
        FrozenTrial(
            number=row.number,
            state=TrialState.COMPLETE,
            value=None,
            datetime_start=None,
            datetime_complete=None,
            params=params_of[row.trial_id],
            distributions=ranges_of[row.trial_id],
            user_attrs={},
            system_attrs={},
            intermediate_values={},
            trial_id=row.trial_id,
            values=values_of[row.trial_id],
        )
        for row in trials
    ]


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
