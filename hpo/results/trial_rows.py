"""A study's trials as listings need them, read without building Optuna's objects.

`Study.get_trials` takes 14 s for 10,000 trials with their learning curves; these queries take less
than one.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.storages import RDBStorage

from studies.errors import StudyError
from studies.leases import held
from studies.metrics import Metric
from studies.objectives import rank, value_in
from studies.optuna_private import ATTRIBUTES, EPOCHS, TRIALS, VALUES, study_id
from studies.record import CONFIG_KEY, FIGURES_KEY, LABEL_KEY, PAUSED_KEY, STEP_KEY, objective

KEYS = (
    *(CONFIG_KEY, LABEL_KEY, STEP_KEY, PAUSED_KEY, FIGURES_KEY),
    *("reason", "best_epoch", "best_val_loss", "epochs_done", "seconds", "parameters"),
)
"""The user attributes every listing shows."""

_OF_A_TRIAL = [TRIALS.c[name] for name in ("number", "trial_id", "state", "datetime_complete")]
_STATES = {
    "WAITING": "waiting",
    "COMPLETE": "complete",
    "PRUNED": "pruned",
    "FAIL": "failed",
}


@dataclass(frozen=True)
class TrialRow:
    """One trial.

    Attributes:
        number: Its number in its study.
        trial_id: Its id in its storage.
        state: Optuna's name of its state.
        value: Its first objective, as `studies.record.objective` has it.
        attributes: The user attributes that were asked for, as far as it has them.
        reported: First objective of each epoch so far, by epoch; of running trials only.
        held: Whether a process trains it, where it is running.
        ended: When it ended (UTC); None where it has not.
    """

    number: int
    trial_id: int
    state: str
    value: float | None
    attributes: Mapping[str, Any]
    reported: Mapping[int, float] = field(default_factory=dict)
    held: bool = True
    ended: datetime | None = None

    @property
    def ranked(self) -> bool:
        """Whether it has a value that it was trained for, in the end or so far."""
        trained = self.attributes.get("reason") not in ("duplicate", "imported")
        return self.value is not None and trained

    @property
    def label(self) -> str | None:
        """Name of the baseline it is, or None."""
        return self.attributes.get(LABEL_KEY)

    @property
    def title(self) -> str | None:
        """What it is called: the baseline or the step of the opening that it is; None of others."""
        return self.label or self.attributes.get(STEP_KEY)

    @property
    def solved(self) -> bool:
        """Whether its head was solved, without any gradient step."""
        solved: bool = self.settings.get("training.solved_head", False)
        return solved and not self.settings.get("model.trainable_stages")

    @property
    def ending(self) -> str:
        """Why it ended, or that it has not."""
        if self.state == "RUNNING":
            return "running" if self.held else "interrupted"
        reason: str = self.attributes.get("reason") or _STATES[self.state]
        return reason

    @property
    def failed(self) -> bool:
        """Whether it failed, hung, diverged or ran out of memory."""
        return self.ending in ("failed", "hung", "diverged", "out of memory")

    @property
    def epochs_done(self) -> int | None:
        """Epochs it has finished."""
        return max(self.reported, default=self.attributes.get("epochs_done"))

    def best_epoch(self, metric: Metric) -> int | None:
        """Returns the epoch, from 1, that is its best so far, or whose weights were kept."""
        return metric.best(self.reported) or self.attributes.get("best_epoch")

    def best_so_far(self, metric: Metric) -> float | None:
        """Returns the objective of its best epoch, where that was read or is complete.

        Args:
            metric: The objective; `best_val_` and its name is to be among the attributes read.
        """
        if self.state == "COMPLETE":
            return self.value
        pick = max if metric.maximize else min
        recorded: float | None = self.attributes.get(f"best_val_{metric.name}")
        return pick(self.reported.values(), default=recorded)

    def figure(self, metric: Metric) -> float | None:
        """Returns a metric of the validation images for its best epoch's weights.

        Args:
            metric: What; `best_val_` and its name is to be among the attributes read.
        """
        return value_in(metric, self.attributes)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Its settings by their dotted names, such as `optimizer.learning_rate`."""
        parts: dict[str, dict[str, Any]] = self.attributes.get(CONFIG_KEY, {})
        named = {f"{part}.{name}": v for part, table in parts.items() for name, v in table.items()}
        own = named.pop("model.own", None) or {"settings": {}}
        backbone = named.get("model.backbone")
        return named | {f"{backbone}.{name}": value for name, value in own["settings"].items()}


def read_trials(
    storage: RDBStorage, study: optuna.Study, more_keys: Sequence[str] = ()
) -> list[TrialRow]:
    """Returns a study's trials, each once, in the order of their numbers.

    Args:
        storage: Where the study is.
        study: The study.
        more_keys: User attributes to read beside `KEYS`.
    """
    of_study = TRIALS.c.study_id == study_id(study)
    # Of several objectives the first one, which drives the trial: one row a trial.
    first_value = (TRIALS.c.trial_id == VALUES.c.trial_id) & (VALUES.c.objective == 0)
    select_trials = (
        sa.select(*_OF_A_TRIAL, VALUES.c.value)
        .select_from(TRIALS.outerjoin(VALUES, first_value))
        .where(of_study)
        .order_by(TRIALS.c.number)
    )
    # A trial's attributes as the members of one JSON object: a tenth of the rows to fetch.
    key, value = ATTRIBUTES.c.key, ATTRIBUTES.c.value_json
    member = sa.literal('"').concat(key).concat('":').concat(value)
    select_attributes = (
        sa.select(ATTRIBUTES.c.trial_id, sa.func.aggregate_strings(member, ",").label("members"))
        .select_from(TRIALS.join(ATTRIBUTES, TRIALS.c.trial_id == ATTRIBUTES.c.trial_id))
        .where(of_study, key.in_([*KEYS, *more_keys]))
        .group_by(ATTRIBUTES.c.trial_id)
    )
    with storage.engine.connect() as connection:
        trials = connection.execute(select_trials).all()
        objects = connection.execute(select_attributes).all()
        running = [row.trial_id for row in trials if row.state == "RUNNING"]
        epochs = connection.execute(sa.select(EPOCHS).where(EPOCHS.c.trial_id.in_(running))).all()
    holders = held(storage.engine, running)
    texts = (f"{{{row.members}}}" for row in objects)
    values = json.loads(f"[{','.join(texts)}]")  # one call: faster
    attributes: dict[int, dict[str, Any]] = defaultdict(dict)
    attributes.update(zip((row.trial_id for row in objects), values, strict=True))
    reported: dict[int, dict[int, float]] = defaultdict(dict)
    for row in epochs:
        reported[row.trial_id][row.step] = row.intermediate_value
    return [
        TrialRow(
            row.number,
            row.trial_id,
            row.state,
            objective(row.state, row.value, attributes[row.trial_id]),
            attributes[row.trial_id],
            reported[row.trial_id],
            row.trial_id in holders,
            row.datetime_complete,
        )
        for row in trials
    ]


def read_attribute(storage: RDBStorage, rows: Sequence[TrialRow], key: str) -> dict[int, Any]:
    """Returns a user attribute that is too large to be read of all trials, by the id of a trial.

    Args:
        storage: Where the trials are.
        rows: The trials; those that do not have it are left out.
        key: Its name.
    """
    wanted = sa.select(ATTRIBUTES.c.trial_id, ATTRIBUTES.c.value_json).where(
        ATTRIBUTES.c.trial_id.in_([row.trial_id for row in rows]), ATTRIBUTES.c.key == key
    )
    with storage.engine.connect() as connection:
        return {row.trial_id: json.loads(row.value_json) for row in connection.execute(wanted)}


def no_complete_trial(study: str, trials: Sequence[TrialRow]) -> StudyError:
    """Returns the error that says that a study has no trial to show yet."""
    counts = Counter(row.ending for row in trials)
    endings = ", ".join(f"{count} {ending}" for ending, count in counts.items()) or "no trials"
    failed = any(row.failed for row in trials)
    return StudyError(
        f"The study {study!r} needs a complete trial for this. Received: {endings}. "
        "Type the `hpo run` command again to continue it"
        + ("; `hpo trials --failed` shows what failed." if failed else ".")
    )


def best_first(trials: Iterable[TrialRow], metric: Metric) -> list[TrialRow]:
    """Returns the ranked trials, best first; of equal ones the lower loss comes first."""
    ranked = (row for row in trials if row.ranked)
    return sorted(ranked, key=lambda row: rank(metric, row.value, row.attributes, row.number))
