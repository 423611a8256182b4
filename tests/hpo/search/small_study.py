"""A small study, and what claims and records its trials, without a process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import RDBStorage

from hpo.paths import Paths
from hpo.search.claims import Claim, Claims
from hpo.search.files import Files
from hpo.search.recorder import Recorder
from hpo.training.checkpoint import best_path, load_weights, save_weights
from studies.leases import Leases
from studies.metrics import METRICS
from studies.objectives import Objectives
from studies.pruners import NoPruner
from studies.record import Outcome
from studies.samplers import Random
from studies.scheduler import Rule, Scheduler
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
        "mixup_alpha": 0.0,
        "schedule": "constant",
        "label_smoothing": 0.0,
        "weight_average": 0.0,
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


def claims_of(
    study: optuna.Study,
    total: int = 3,
    space: Space = SPACE,
    rule: Rule | None = None,
    keep_top: int = 2,
) -> Claims:
    """What another process would claim with."""
    scheduler = Scheduler(rule or NoPruner(), total, keep_top)
    return Claims(study, space, DIGITS, Leases(storage_of(study).engine), scheduler)


def next_of(claims: Claims) -> Claim:
    """The next claim, where there is one."""
    claim = claims.next()
    assert isinstance(claim, Claim), claim
    return claim


def files_of(study: optuna.Study, folder: Path) -> Files:
    """The files of a study."""
    paths = Paths(default_url(folder), folder)
    return Files(study, storage_of(study), paths, "0a1b2c3d-key")


def recorder_of(study: optuna.Study, claims: Claims, folder: Path) -> Recorder:
    """What writes that study's trials."""
    return Recorder(study, files_of(study, folder), claims.leases, Objectives(METRICS["accuracy"]))


def tidy(recorder: Recorder, claims: Claims, ended: int | None = None) -> None:
    """Keeps and deletes files as the scheduler of the claims says."""
    recorder.tidy(lambda: claims.scheduler.keep(claims.trials()), ended)


def outcome_of(best: float = 0.5, **changes: Any) -> Outcome:
    """How a trial of two epochs ended."""
    history = {"val_accuracy": [best / 2, best], "accuracy": [0.1, 0.2]}
    ended = Outcome(reason="complete", value=best, best_epoch=2, history=history)
    return ended.model_copy(update=changes)


def leave_weights(recorder: Recorder, claim: Claim, value: float) -> None:
    """Leaves the weights of a trial's best epoch, all of them `value`, where its worker would."""
    folder = recorder.files.checkpoints(claim.number)
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(best_path(folder, 2), {"logits/bias": np.full(4, value)}, 0)


def kept_weights(recorder: Recorder, number: int) -> list[float]:
    """The weights of a trial that are kept."""
    weights, _ = load_weights(recorder.files.weights()[number])
    values: list[float] = weights["logits/bias"].tolist()
    return values


def pause(recorder: Recorder, claims: Claims, claim: Claim, value: float) -> None:
    """Leaves the files of a trial that was interrupted, and records how far it is."""
    leave_weights(recorder, claim, value)
    recorder.pause(claim, outcome_of(value, reason="interrupted"))
    tidy(recorder, claims)


def train(recorder: Recorder, claims: Claims, claim: Claim, value: float) -> None:
    """Leaves the files of a trial that was trained, and records it."""
    leave_weights(recorder, claim, value)
    recorder.finish(claim, outcome_of(value))
    tidy(recorder, claims, claim.number)
