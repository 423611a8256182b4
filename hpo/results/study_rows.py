"""The studies of a storage with what listings say about each."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from optuna.storages import RDBStorage

from hpo.search.open_study import latest
from studies.leases import held
from studies.metrics import Metric
from studies.objectives import maximizes, objectives_of
from studies.optuna_private import ATTRIBUTES, STATE, TRIALS, VALUES, study_id
from studies.record import PAUSED_KEY, STUDY_KEY, TOTAL_KEY


@dataclass(frozen=True)
class _Tally:
    """What the trials of one study add up to."""

    states: dict[str, int] = field(default_factory=dict)
    started: datetime | None = None
    lowest: float | None = None
    highest: float | None = None


@dataclass(frozen=True)
class StudyRow:
    """One study.

    Attributes:
        name: Its name.
        latest: Whether it is the one that commands take where none is named.
        states: Optuna's name of a state to the number of trials in it; INTERRUPTED are those
            running ones that no process trains.
        best_value: Best first objective of a complete or paused trial; None without any.
        started: When its first trial began (UTC), or None.
        total: Trials it was last asked to have; None for another program's study.
        record: What `hpo run` stored with it; empty for another program's study.
    """

    name: str
    latest: bool
    states: Mapping[str, int]
    best_value: float | None
    started: datetime | None
    total: int | None
    record: Mapping[str, Any]

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it was created with."""
        settings: Mapping[str, Any] = self.record.get("settings", {})
        return settings

    @property
    def metric(self) -> Metric | None:
        """What its trials are compared by; None for another program's study."""
        return objectives_of(self.settings).first if self.settings else None

    @property
    def finished(self) -> int:
        """Trials that have ended."""
        return sum(self.states.get(state, 0) for state in ("COMPLETE", "PRUNED", "FAIL"))


def read_studies(storage: RDBStorage) -> list[StudyRow]:
    """Returns the studies of a storage, the latest last."""
    studies = sorted(storage.get_all_studies(), key=study_id)
    tallies, meant = _tallies(storage), latest(storage)
    rows = []
    for study in studies:
        tally = tallies.get(study_id(study), _Tally())
        created = study.user_attrs.get(STUDY_KEY, {})
        rows.append(
            StudyRow(
                name=study.study_name,
                latest=study.study_name == meant,
                states=tally.states,
                best_value=tally.highest if maximizes(study) else tally.lowest,
                started=tally.started,
                total=study.user_attrs.get(TOTAL_KEY, created.get("settings", {}).get("trials")),
                record=created,
            )
        )
    return rows


def _tallies(storage: RDBStorage) -> dict[int, _Tally]:
    """Counts trials and finds the extremes of the values of those that have one to be ranked by.

    Imported runs were not trained here and are left out.
    """
    groups = (TRIALS.c.study_id, TRIALS.c.state)
    imported = sa.select(ATTRIBUTES.c.trial_id).where(
        ATTRIBUTES.c.key == "reason", ATTRIBUTES.c.value_json == json.dumps("imported")
    )
    paused = ATTRIBUTES.alias()
    is_paused = (paused.c.trial_id == TRIALS.c.trial_id) & (paused.c.key == PAUSED_KEY)
    first_value = (TRIALS.c.trial_id == VALUES.c.trial_id) & (VALUES.c.objective == 0)
    value = sa.case(  # Optuna gives pruned trials values as well
        (STATE == "COMPLETE", VALUES.c.value),
        (STATE == "RUNNING", sa.cast(paused.c.value_json, sa.Float)),
    )
    query = (
        sa.select(
            *groups,
            sa.func.count().label("trials"),
            sa.func.min(TRIALS.c.datetime_start).label("started"),
            sa.func.min(value).label("lowest"),
            sa.func.max(value).label("highest"),
        )
        .select_from(TRIALS.outerjoin(VALUES, first_value).outerjoin(paused, is_paused))
        .where(TRIALS.c.trial_id.not_in(imported))
        .group_by(*groups)
    )
    with storage.engine.connect() as connection:
        rows = connection.execute(query).all()
    of_study = defaultdict(list)
    for row in rows:
        of_study[row.study_id].append(row)
    left = _interrupted(storage)
    return {study: _tally(group, left[study]) for study, group in of_study.items()}


def _tally(group: Sequence[sa.Row[Any]], interrupted: int) -> _Tally:
    states = Counter({row.state: row.trials for row in group})
    states.update(RUNNING=-interrupted, INTERRUPTED=interrupted)
    return _Tally(
        states={state: count for state, count in states.items() if count},
        started=min((row.started for row in group if row.started), default=None),
        lowest=min((row.lowest for row in group if row.lowest is not None), default=None),
        highest=max((row.highest for row in group if row.highest is not None), default=None),
    )


def _interrupted(storage: RDBStorage) -> Counter[int]:
    """Returns for each study how many running trials no process trains."""
    query = sa.select(TRIALS.c.study_id, TRIALS.c.trial_id).where(STATE == "RUNNING")
    with storage.engine.connect() as connection:
        running = connection.execute(query).all()
    holders = held(storage.engine, [row.trial_id for row in running])
    return Counter(row.study_id for row in running if row.trial_id not in holders)
