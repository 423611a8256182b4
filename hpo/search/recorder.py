"""Writes what happens to a trial into its study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from hpo.search.claims import Claim
from hpo.search.files import Files
from hpo.search.notes import describe, write_note
from studies.leases import Leases, collection_of
from studies.objectives import Objectives
from studies.optuna_private import read_trial, report, study_id, write_attributes
from studies.record import (
    CONFIG_KEY,
    CONTINUES_KEY,
    LABEL_KEY,
    PAUSED_KEY,
    STEP_KEY,
    Outcome,
    Reason,
)
from studies.scheduler import Keep
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
"""How long one process waits while another tidies the study's files."""
_GIVEN = {CONFIG_KEY, CONTINUES_KEY, LABEL_KEY, STEP_KEY}
"""User attributes that a trial has before it is trained."""


def state_of(config: TrialConfig, outcome: Outcome) -> TrialState:
    """Returns Optuna's state of a trial that ended.

    A network of the user's own that fails is to be avoided like one that diverges.
    """
    state = STATES[outcome.reason]
    return TrialState.PRUNED if state is TrialState.FAIL and config.model.own else state


class TrialEndedError(Exception):
    """Another program has ended a trial that is being trained, as the dashboard can."""


@dataclass
class Recorder:
    """Writes the trials of one study.

    Attributes:
        study: The study.
        files: Its files.
        leases: The leases of its storage.
        objectives: What its trials are compared by.
    """

    study: optuna.Study
    files: Files
    leases: Leases
    objectives: Objectives

    def exists(self) -> bool:
        """Whether the study is still there."""
        studies = self.files.storage.get_all_studies()
        return study_id(self.study) in map(study_id, studies)

    def has_ended(self, claim: Claim) -> bool:
        """Whether another program has ended a trial."""
        return read_trial(self.study, claim.trial_id).state.is_finished()

    def report(self, claim: Claim, values: list[float]) -> None:
        """Writes the objective of the epochs that are not written yet.

        Raises:
            TrialEndedError: Another program has ended the trial.
        """
        try:
            for value in values[claim.reported :]:
                report(claim.trial, value, claim.reported + 1)
                claim.reported += 1
        except UpdateFinishedTrialError as error:
            raise TrialEndedError from error

    def finish(self, claim: Claim, outcome: Outcome) -> None:
        """Ends a trial; one that is ended already stays as it is."""
        now = read_trial(self.study, claim.trial_id)
        if not now.state.is_finished():
            outcome = self._with_curve(outcome, now.intermediate_values)
            attributes: dict[str, Any] = outcome.attributes()
            if PAUSED_KEY in now.user_attrs:
                if claim.pruned:  # all that is known of it was written when it was paused
                    attributes = {"reason": outcome.reason, PAUSED_KEY: None}
                else:
                    attributes = dict.fromkeys(now.user_attrs.keys() - _GIVEN) | attributes
            write_attributes(self.files.storage, claim.trial_id, attributes)
            write_note(claim.trial, describe(claim.label, claim.config, outcome))
            state, values = state_of(claim.config, outcome), None
            if state is TrialState.COMPLETE and outcome.value is not None:
                values = self.objectives.values(outcome.value, outcome.figures)
            self.study.tell(claim.trial, values=values, state=state)
        self.leases.release(claim.trial_id)

    def pause(self, claim: Claim, paused: Outcome | None) -> None:
        """Lets any process resume a trial, and writes the value of its best epoch so far.

        Args:
            claim: The trial.
            paused: How far it is; None before its first epoch, or where that could not be told.
        """
        if paused:
            write_attributes(self.files.storage, claim.trial_id, paused.attributes())
        self.leases.release(claim.trial_id)

    def tidy(self, keep: Callable[[], Keep], ended: int | None = None) -> None:
        """Keeps the files that a scheduler says, and deletes all others.

        Args:
            keep: Reads the trials and returns what is to be kept.
            ended: The trial after whose end this is. Where its weights are not to be kept, only
                its own files are deleted, which needs no other process to stand aside; that comes
                ever more often in a long study. None is for everything.
        """
        if ended is not None and not self.files.has_weights(ended) and ended not in keep().weights:
            self.files.drop_checkpoints(ended)
            return
        key = collection_of(study_id(self.study))
        if not self.leases.wait(key, WAIT_S):
            return  # the next time; until then everything stays
        try:
            self.files.keep(keep())  # asked again, as another process may have ended trials
        finally:
            self.leases.release(key)

    def _with_curve(self, outcome: Outcome, reported: Mapping[int, float]) -> Outcome:
        """Gives an outcome that its worker could not tell the epochs that it had reported."""
        if outcome.history or not reported or outcome.reason == "duplicate":
            return outcome
        metric = self.objectives.first
        history = {f"val_{metric.name}": [reported[epoch] for epoch in sorted(reported)]}
        best_epoch = metric.best(reported)
        return outcome.model_copy(update={"history": history, "best_epoch": best_epoch})
