"""Reads a study's trials as the scheduler sees them."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

import optuna
from optuna.trial import FrozenTrial, TrialState

from models.catalogue import Catalogue
from studies.cost import epoch_cost
from studies.leases import Leases
from studies.objectives import validation_loss
from studies.optuna_private import trial_id
from studies.record import CONFIG_KEY, CONTINUES_KEY, LABEL_KEY, STEP_KEY, Reason, value_of
from studies.scheduler import Status, TrialRecord
from studies.trial_config import TrialConfig

_REASON_OF_STATE: dict[TrialState, Reason] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}
"""The reasons of trials that were ended in the dashboard, which writes none."""


WORK = ("solving", "data", "training", "evaluation")
"""The phases of a trial whose seconds grow with its work."""


@dataclass
class TrialReader:
    """Reads the trials of one study. Those that have ended are read once: nothing changes them.

    Attributes:
        study: The study.
        leases: The leases of its storage, which tell who trains a running trial.
        train_images: Images that its trials train on.
        catalogue: Where their backbones are looked up.
    """

    study: optuna.Study
    leases: Leases
    train_images: int
    catalogue: Catalogue
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
                ended[trial.number] = self._record(trial, "ended")
        holders = self.leases.holders() if len(ended) < len(trials) else {}

        def status(trial: FrozenTrial) -> Status:
            if trial.state is TrialState.WAITING:
                return "waiting"
            holder = holders.get(trial_id(trial), "gone")
            if holder == "gone" or trial_id(trial) in idle:
                return "paused"
            return "doubtful" if holder == "doubtful" else "running"

        return [
            ended[trial.number] if trial.number in ended else self._record(trial, status(trial))
            for trial in trials
        ]

    def _record(self, trial: FrozenTrial, status: Status) -> TrialRecord:
        attributes, reported = trial.user_attrs, trial.intermediate_values
        settings, epochs, cost, solved = "", 0, 1.0, False
        if CONFIG_KEY in attributes:  # else its process was killed before it had drawn them
            config = TrialConfig.model_validate(attributes[CONFIG_KEY])
            settings, epochs, solved = config.identity, config.epochs, config.is_solved
            cost = epoch_cost(config, self.train_images, self.catalogue)
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
            epoch_cost=cost,
            settings=settings,
            baseline=LABEL_KEY in attributes,
            solved=solved,
            step=attributes.get(STEP_KEY, ""),
            continues=attributes.get(CONTINUES_KEY, {}).get("number"),
            seconds=sum(attributes.get("timing", {}).get(phase, 0.0) for phase in WORK),
            reason=reason if status == "ended" else None,
        )
