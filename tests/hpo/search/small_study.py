"""A small study, and what claims and records its trials, without a process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import RDBStorage

from hpo.search.artifacts import Artifacts
from hpo.search.claims import Claim, Claims
from hpo.search.recorder import Recorder
from hpo.training.checkpoint import best_path, save_weights
from studies.leases import Leases
from studies.record import Outcome
from studies.samplers import Random
from studies.space import Space
from studies.stateless_sampler import StatelessSampler
from studies.storage import default_url, open_storage
from tests.studies.spaces import DIGITS, space_of

SPACE = space_of({"backbone": "cnn"}, facts=DIGITS)
FEW = space_of(
    {
        "backbone": "cnn",
        "optimizer": "adam",
        "learning_rate": 0.001,
        "l2": 0.0,
        "dropout": 0.0,
        "head_widths": "none",
        "batch_size": [16, 32],
        "epochs": 5,
        "augmentation": "none",
    },
    facts=DIGITS,
)
"""A space of two different trials."""


def make_study(folder: Path) -> optuna.Study:
    """An empty study in a folder."""
    return optuna.create_study(
        study_name="s",
        storage=open_storage(default_url(folder)),
        direction="maximize",
        sampler=StatelessSampler(Random(), 0),
        load_if_exists=True,
    )


def storage_of(study: optuna.Study) -> RDBStorage:
    """The storage beneath Optuna's cache."""
    storage = study._storage._backend  # type: ignore[attr-defined]
    assert isinstance(storage, RDBStorage)
    return storage


def claims_of(study: optuna.Study, total: int = 3, space: Space = SPACE) -> Claims:
    """What another process would claim with."""
    return Claims(study, space, DIGITS, Leases(storage_of(study).engine), total)


def recorder_of(study: optuna.Study, claims: Claims, folder: Path, keep_top: int = 2) -> Recorder:
    """What writes that study's trials."""
    artifacts = Artifacts(study, storage_of(study), folder / "artifacts")
    trials = folder / "trials"
    trials.mkdir(exist_ok=True)
    return Recorder(study, artifacts, claims.leases, trials, "accuracy", keep_top)


def outcome_of(best: float = 0.5, **changes: Any) -> Outcome:
    """How a trial of two epochs ended."""
    history = {"val_accuracy": [best / 2, best], "accuracy": [0.1, 0.2]}
    ended = Outcome(reason="complete", value=best, best_epoch=2, history=history)
    return ended.model_copy(update=changes)


def leave_weights(recorder: Recorder, claim: Claim, value: float) -> None:
    """Leaves the weights of a trial's best epoch, all of them `value`, where its worker would."""
    folder = recorder.folder(claim.number)
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(best_path(folder, 2), {"logits/bias": np.full(4, value)}, 0)


def lay_aside(recorder: Recorder, claim: Claim, value: float) -> None:
    """Leaves the files of a trial that was interrupted, and records how it stands."""
    leave_weights(recorder, claim, value)
    recorder.lay_aside(claim, outcome_of(value, reason="interrupted"))


def train(recorder: Recorder, claim: Claim, value: float) -> None:
    """Leaves the files of a trial that was trained, and records it."""
    leave_weights(recorder, claim, value)
    recorder.finish(claim, outcome_of(value))
    recorder.collect()
