"""Writes what happens to a trial into its study."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from optuna.trial import TrialState

from hpo.search.artifacts import Artifacts
from hpo.search.claims import Claim
from hpo.search.curve import learning_curve
from hpo.search.notes import describe, write_note
from hpo.training.checkpoint import best_path
from studies.leases import COLLECTION, Leases
from studies.metrics import METRICS
from studies.optuna_private import write_attributes
from studies.record import (
    CONFIG_KEY,
    HOPELESS_KEY,
    LABEL_KEY,
    STANDING_KEY,
    Outcome,
    Reason,
    read_config,
    value_of,
    was_trained,
)
from studies.trial_config import TrialConfig

STATES: Mapping[Reason, TrialState] = {
    "complete": TrialState.COMPLETE,
    "stopped early": TrialState.COMPLETE,
    "duplicate": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    # Not FAIL: a sampler forgets failed trials and would come back to the same place.
    "diverged": TrialState.PRUNED,
    "out of memory": TrialState.PRUNED,
    "hung": TrialState.FAIL,
    "failed": TrialState.FAIL,
}
WAIT_S = 5.0
"""How long one process waits while another collects files."""
_GIVEN = {CONFIG_KEY, LABEL_KEY}
"""User attributes that a trial has before it is trained."""
_JUDGED = (TrialState.COMPLETE, TrialState.PRUNED)
"""States of trials that would end the same way if they were trained again."""


@dataclass
class Recorder:
    """Writes the trials of one study.

    Attributes:
        study: The study.
        artifacts: Its artifacts.
        leases: The leases of its storage.
        trials_folder: Where each trial's checkpoints lie, in a folder of its number.
        metric: Name of the row of `METRICS` that is the objective.
        keep_top: How many trials' weights are kept.
    """

    study: optuna.Study
    artifacts: Artifacts
    leases: Leases
    trials_folder: Path
    metric: str
    keep_top: int
    _twins: dict[str, Outcome] = field(default_factory=dict)
    _ended: list[int] = field(default_factory=list)
    _due: bool = True
    _bar: tuple[float, int] = (math.inf, 0)

    def __post_init__(self) -> None:
        for trial in self.study.get_trials(deepcopy=False, states=_JUDGED):
            if was_trained(trial):
                value = trial.value if trial.state is TrialState.COMPLETE else None
                reason = trial.user_attrs["reason"]
                self._remember(trial.number, read_config(trial), reason, value)
        self.collect()

    def folder(self, number: int) -> Path:
        """Returns the folder of a trial's checkpoints."""
        return self.trials_folder / f"{number:05d}"

    def twin(self, claim: Claim) -> Outcome | None:
        """Returns the outcome of a trial whose settings another has finished with, else None."""
        return self._twins.get(claim.config.identity)

    def report(self, claim: Claim, values: list[float]) -> None:
        """Writes the objective of the epochs that are not written yet."""
        for value in values[claim.reported :]:
            claim.trial.report(value, claim.reported + 1)
            claim.reported += 1

    def prunes(self, claim: Claim, epoch: int) -> bool:
        """Whether a trial is to end with an epoch that was reported.

        A trial that was continued from before its last report is not judged again by that.
        """
        if claim.label is not None or epoch < claim.reported:
            return False
        claim.hopeless = claim.hopeless or claim.trial.should_prune()
        if claim.hopeless:
            self.study._storage.set_trial_system_attr(claim.trial_id, HOPELESS_KEY, True)
        return claim.hopeless

    def finish(self, claim: Claim, outcome: Outcome) -> None:
        """Ends a trial; one that is ended already stays as it is."""
        now = self.study._storage.get_trial(claim.trial_id)
        state = STATES[outcome.reason]
        value = outcome.value if state is TrialState.COMPLETE else None
        if not now.state.is_finished():
            outcome = self._with_curve(outcome, now.intermediate_values)
            stale = now.user_attrs.keys() - _GIVEN if STANDING_KEY in now.user_attrs else set()
            attributes = dict.fromkeys(stale) | outcome.attributes()
            write_attributes(self.artifacts.storage, claim.trial_id, attributes)
            self._draw(claim, outcome)
            write_note(claim.trial, describe(claim.label, claim.config, outcome))
            self.study.tell(claim.trial, values=value, state=state)
        self._remember(claim.number, claim.config, outcome.reason, value)
        self._ended.append(claim.number)
        if state is TrialState.COMPLETE:
            self._due |= bool(claim.label) or self._rank(value, claim.number) < self._bar
        self._due |= STANDING_KEY in now.user_attrs  # older weights of it are kept
        self.leases.release(claim.trial_id)

    def _with_curve(self, outcome: Outcome, reported: Mapping[int, float]) -> Outcome:
        """Gives an outcome that its worker could not tell the epochs that it had reported."""
        if outcome.history or not reported or outcome.reason == "duplicate":
            return outcome
        history = {f"val_{self.metric}": [reported[epoch] for epoch in sorted(reported)]}
        best_epoch = METRICS[self.metric].best(reported)
        return outcome.model_copy(update={"history": history, "best_epoch": best_epoch})

    def lay_aside(self, claim: Claim, standing: Outcome | None) -> None:
        """Leaves a trial to be continued, and its best epoch to be taken until then."""
        if standing:
            write_attributes(self.artifacts.storage, claim.trial_id, standing.attributes())
            self._due = True
            self.collect()
        self.leases.release(claim.trial_id)

    def collect(self) -> None:
        """Keeps the weights of the best trials and the baselines, and deletes all other files.

        All trials are gone through only after one that may be among the best, which comes ever
        more seldom; after any other its own files are deleted and nothing else.
        """
        if self._due:
            key = COLLECTION - self.study._study_id
            if not self.leases.wait(key, WAIT_S):
                return  # the next time; until then everything stays
            try:
                self._collect_all()
            finally:
                self.leases.release(key)
            self._due = False
        while self._ended:
            shutil.rmtree(self.folder(self._ended[-1]), ignore_errors=True)
            self._ended.pop()

    def _collect_all(self) -> None:
        trials = self.study.get_trials(deepcopy=False)
        valued = [t for t in trials if value_of(t) is not None and was_trained(t)]
        with_weights = [trial for trial in valued if "best_epoch" in trial.user_attrs]
        with_weights.sort(key=self._rank_of)
        complete = [trial for trial in with_weights if trial.state is TrialState.COMPLETE]
        if len(complete) >= self.keep_top:
            self._bar = self._rank_of(complete[self.keep_top - 1])
        # One that was laid aside takes no other's place: it may yet end without a value.
        best = [*complete[: self.keep_top], *with_weights[: self.keep_top]]
        baselines = [trial for trial in valued if LABEL_KEY in trial.user_attrs]
        folders = {int(folder.name): folder for folder in self.trials_folder.glob("[0-9]*")}
        weights = {
            trial.number: best_path(folders[trial.number], trial.user_attrs.get("best_epoch", 0))
            for trial in valued
            if trial.number in folders
        }
        files = {number: path for number, path in weights.items() if path.exists()}
        self.artifacts.keep((trial.number for trial in [*best, *baselines]), files)
        for number in folders.keys() & {t.number for t in trials if t.state.is_finished()}:
            shutil.rmtree(folders[number], ignore_errors=True)

    def _rank_of(self, trial: optuna.trial.FrozenTrial) -> tuple[float, int]:
        return self._rank(value_of(trial), trial.number)

    def _rank(self, value: float | None, number: int) -> tuple[float, int]:
        return METRICS[self.metric].order(value), number

    def _remember(
        self, number: int, config: TrialConfig, reason: Reason, value: float | None
    ) -> None:
        if STATES[reason] not in _JUDGED:
            return
        complete = STATES[reason] is TrialState.COMPLETE
        self._twins[config.identity] = Outcome(
            reason="duplicate" if complete else reason,
            value=value,
            message=f"Trial {number} had exactly these settings.",
        )

    def _draw(self, claim: Claim, outcome: Outcome) -> None:
        if outcome.best_epoch is None:
            return
        picture = learning_curve(
            f"Trial {claim.number}" + (f" ({claim.label})" if claim.label else ""),
            self.metric,
            outcome.history.get(self.metric, []),
            outcome.history[f"val_{self.metric}"],
            outcome.best_epoch,
        )
        self.artifacts.add_text("learning-curve.svg", picture, claim.trial)
