"""What is kept with a study and with each of its trials, beside what Optuna keeps itself.

Everything is a user attribute, so that the dashboard shows it: scalars as columns, the trial's full
settings and per-epoch curves as JSON. A trial can be run again from its record alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from studies.errors import StudyError
from studies.hits import Hits
from studies.network_files import NetworkFile, table_of
from studies.parameters import ParameterTable
from studies.settings import StudySettings
from studies.space import Space
from studies.trial_config import TrialConfig

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

Reason = Literal[
    "complete",
    "stopped early",
    "interrupted",
    "pruned",
    "diverged",
    "out of memory",
    "hung",
    "failed",
    "duplicate",
    "imported",
]

FORMAT = 2
"""Version of what is stored; a study of another one is refused."""
STUDY_KEY = "hpo"
TOTAL_KEY = "trials"
"""How many trials the study was last asked to have."""
CONFIG_KEY = "config"
HISTORY_KEY = "history"
LABEL_KEY = "label"
STEP_KEY = "step"
"""Name of the step of the opening that a trial is."""
CONTINUES_KEY = "continues"
"""Number of the trial whose last checkpoint a trial begins with, and the epochs that it adds."""
HITS_KEY = "validation_hits"
FIGURES_KEY = "figures"
TAKEN_KEY = "taken_from"
"""Study and number that a trial was trained under, before another study took it over."""
CLEAN_ACCURACY_KEY = "train_accuracy_clean"
"""Accuracy on training images that were not changed, without dropout, at the best epoch."""
PAUSED_KEY = "value_when_interrupted"
"""Objective of the best epoch of a trial that is paused; the name is that of stored studies."""


class Confusion(BaseModel):
    """Which classes a trial takes for which.

    Attributes:
        classes: Names of the classes.
        counts: For each true class the number of validation images that are given each class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


class Outcome(BaseModel):
    """How a trial ended.

    Attributes:
        reason: Why it ended; `interrupted` if it was paused instead.
        value: The first objective at the best epoch; None if no epoch ended or it was pruned.
        figures: Metric name to its value on the validation images, for the weights that are kept,
            evaluated as an export is; empty where the trial was not trained to its end.
        best_epoch: The epoch, from 1, whose weights are kept.
        history: Metric name to one value an epoch, of equal lengths.
        seconds: Phase to wall-clock seconds, `total` among them.
        hits: Validation images that the best epoch's weights get right; None where it was not
            trained to its end.
        confusion: What the best epoch's weights take for what, for the dashboard's note; None where
            it was not trained to its end, or the classes are too many to be read there.
        facts: Parameters, image size, device, precision and the like, for people to read.
        message: The traceback of a failure, or one line about the end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reason
    value: float | None = None
    figures: dict[str, float] = Field(default_factory=dict)
    best_epoch: int | None = None
    history: dict[str, list[float]] = Field(default_factory=dict)
    seconds: dict[str, float] = Field(default_factory=dict)
    hits: Hits | None = None
    confusion: Confusion | None = None
    facts: dict[str, str | int | float] = Field(default_factory=dict)
    message: str | None = None

    @property
    def epochs(self) -> int:
        """Epochs that were finished."""
        return len(next(iter(self.history.values()), []))

    def attributes(self) -> dict[str, Any]:
        """Returns the user attributes that keep this outcome."""
        epochs, total = self.epochs, self.seconds.get("total", 0.0)
        named: dict[str, Any] = {
            **self._ending(),
            "epochs_done": epochs,
            "best_epoch": self.best_epoch,
            "seconds": round(total, 3) if total else None,
            "seconds_per_epoch": round(total / epochs, 3) if epochs else None,
            **self.facts,
            **self._best_and_last(),
            "timing": {phase: round(value, 3) for phase, value in self.seconds.items()},
            HISTORY_KEY: self.history,
            FIGURES_KEY: self.figures or None,
            HITS_KEY: self.hits and self.hits.model_dump(),
            "message": self.message,
        }
        return {key: value for key, value in named.items() if value is not None}

    def _ending(self) -> dict[str, Any]:
        if self.reason == "interrupted":
            return {PAUSED_KEY: self.value}
        return {"reason": self.reason}

    def _best_and_last(self) -> dict[str, float]:
        if self.best_epoch is None:
            return {}
        best = {f"best_{name}": curve[self.best_epoch - 1] for name, curve in self.history.items()}
        return best | {f"last_{name}": curve[-1] for name, curve in self.history.items()}


def value_of(trial: FrozenTrial) -> float | None:
    """Returns a trial's first objective; for a paused trial, its best so far."""
    first = trial.values[0] if trial.values else None
    return objective(trial.state.name, first, trial.user_attrs)


def objective(state: str, value: float | None, attributes: Mapping[str, Any]) -> float | None:
    """Returns a trial's first objective from its state, first value and user attributes.

    A pruned trial has none: the value that Optuna keeps for it is that of its last epoch.
    """
    paused: float | None = attributes.get(PAUSED_KEY) if state == "RUNNING" else None
    return value if state == "COMPLETE" else paused


def was_trained(trial: FrozenTrial) -> bool:
    """Returns whether a trial was trained in this study, rather than imported into it."""
    return trial.user_attrs.get("reason") != "imported"


def read_outcome(trial: FrozenTrial) -> Outcome | None:
    """Returns how a finished trial ended; None where this program did not record it."""
    attributes = trial.user_attrs
    if "reason" not in attributes:
        return None
    return Outcome(
        reason=attributes["reason"],
        value=value_of(trial),
        figures=attributes.get(FIGURES_KEY, {}),
        best_epoch=attributes.get("best_epoch"),
        history=attributes.get(HISTORY_KEY, {}),
        seconds=attributes.get("timing", {}),
        hits=attributes.get(HITS_KEY),
        message=attributes.get("message"),
    )


def read_config(trial: FrozenTrial) -> TrialConfig:
    """Returns the settings a trial was trained with.

    Raises:
        StudyError: The trial was not made by this program.
    """
    try:
        return TrialConfig.model_validate(trial.user_attrs[CONFIG_KEY])
    except KeyError as error:
        raise StudyError(
            f"Trial {trial.number} holds no settings of this program. Received: a trial with "
            f"{sorted(trial.user_attrs) or 'no attributes'}. Use a study created by `hpo run`."
        ) from error


class StudyRecord(BaseModel):
    """What a study was created with; a continued study uses this and nothing else.

    Attributes:
        format: Version of this record.
        settings: The `StudySettings` it was created with, as JSON.
        space: The `Space` its trials are drawn from, as JSON.
        facts: The `DataFacts` of its data.
        manifest_digest: Digest of the manifest.
        manifest_artifact: Id of the study artifact that holds the manifest.
        unavailable: Backbone to the reason it is not in the space.
        learned_from: Studies that its sampler learned from when it was created.
        versions: Package to version.
        networks: The user's network files, with their text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    settings: dict[str, Any]
    space: dict[str, Any]
    facts: dict[str, Any]
    manifest_digest: str
    manifest_artifact: str
    unavailable: dict[str, str] = Field(default_factory=dict)
    learned_from: tuple[str, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)
    networks: tuple[NetworkFile, ...] = ()

    @property
    def table(self) -> ParameterTable:
        """The settings there are, those of its own networks among them."""
        return table_of(self.networks)

    def read_space(self) -> Space:
        """Returns the space its trials are drawn from."""
        return Space.model_validate(self.space).of(self.table)

    def read_settings(self, **now: Any) -> StudySettings:
        """Returns the settings it was created with, some of them replaced."""
        return StudySettings.model_validate(self.settings | now, context=self.table)

    @property
    def trials(self) -> int:
        """How many trials it was created to have."""
        return int(self.settings["trials"])

    def save(self, study: optuna.Study) -> None:
        """Writes this record; a study that has one is complete and can be continued."""
        study.set_user_attr(STUDY_KEY, self.model_dump(mode="json"))


def read_study(study: optuna.Study) -> StudyRecord:
    """Returns what a study was created with.

    Raises:
        StudyError: The study was not created by this program, or by a later version of it.
    """
    stored = study.user_attrs.get(STUDY_KEY)
    if stored is None:
        raise StudyError(
            f"The study {study.study_name!r} was not created by `hpo run`. "
            "Received: a study without its settings. Choose another --study name."
        )
    if stored.get("format", 0) > FORMAT:
        raise StudyError(
            f"The study {study.study_name!r} was created by a later version of hpo. "
            f"Received: format {stored['format']}, this version reads {FORMAT}. Upgrade hpo."
        )
    if stored.get("format", 0) < FORMAT:
        raise StudyError(
            f"The study {study.study_name!r} was created by an earlier version of hpo. "
            f"Received: format {stored.get('format', 0)}, this version reads {FORMAT}. "
            "Use that version, or begin another study."
        )
    return StudyRecord.model_validate(stored)
