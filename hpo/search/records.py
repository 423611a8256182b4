"""Reads a study's trials as the scheduler sees them."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

import optuna
from optuna.trial import FrozenTrial, TrialState

from studies.leases import Leases
from studies.objectives import validation_loss
from studies.optuna_private import trial_id
from studies.record import CONFIG_KEY, LABEL_KEY, STEP_KEY, Reason, value_of
from studies.scheduler import Status, TrialRecord
from studies.trial_config import TrialConfig

_REASON_OF_STATE: dict[TrialState, Reason] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}
"""The reasons of trials that were ended in the dashboard, which writes none."""


@dataclass
class TrialReader:
    """Reads the trials of one study. Those that have ended are read once: nothing changes them.

    Attributes:
        study: The study.
        leases: The leases of its storage, which tell who trains a running trial.
    """

    study: optuna.Study
    leases: Leases
    _ended: dict[int, TrialRecord] = field(default_factory=dict)

    def read(self, idle: Container[int] = ()) -> list[TrialRecord]:
        """Returns all trials, in the order of their numbers.

        Args:
            idle: Ids of trials that this process holds and does not train.
        """
        trials = self.study.get_trials(deepcopy=False)
        ended = self._ended
        for trial in trials:
            if trial.number not in ended and trial.state in _REASON_OF_STATE:
                ended[trial.number] = _record(trial, "ended")
        holders = self.leases.holders() if len(ended) < len(trials) else {}

        def status(trial: FrozenTrial) -> Status:
            if trial.state is TrialState.WAITING:
                return "waiting"
            holder = holders.get(trial_id(trial), "gone")
            if holder == "gone" or trial_id(trial) in idle:
                return "paused"
            return "doubtful" if holder == "doubtful" else "running"

        return [
            ended[trial.number] if trial.number in ended else _record(trial, status(trial))
            for trial in trials
        ]


def _record(trial: FrozenTrial, status: Status) -> TrialRecord:
    attributes, reported = trial.user_attrs, trial.intermediate_values
    settings, epochs, solved = "", 0, False
    if CONFIG_KEY in attributes:  # else its process was killed before it had drawn them
        config = TrialConfig.model_validate(attributes[CONFIG_KEY])
        settings, epochs, solved = config.identity, config.epochs, config.is_solved
    reason = attributes.get("reason", _REASON_OF_STATE.get(trial.state))
    return TrialRecord(
        number=trial.number,
        status=status,
        # The strengths of a solved head are no epochs that others could be compared with.
        curve=() if solved else tuple(reported[epoch] for epoch in sorted(reported)),
        value=value_of(trial),
        loss=validation_loss(attributes),
        best_epoch=attributes.get("best_epoch"),
        weights_bytes=attributes.get("weights_bytes"),
        epochs=epochs,
        settings=settings,
        baseline=LABEL_KEY in attributes,
        solved=solved,
        step=attributes.get(STEP_KEY, ""),
        seconds=attributes.get("timing", {}).get("solving", 0.0),
        reason=reason if status == "ended" else None,
    )
