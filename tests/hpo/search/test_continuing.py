"""Trials that are given more epochs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pytest

from hpo.search.continuing import continue_trials
from hpo.search.open_study import OpenStudy
from hpo.training import checkpoint
from hpo.training.checkpoint import TrialState
from studies.errors import StudyError
from studies.record import StudyRecord
from tests.hpo.search.small_study import (
    claims_of,
    files_of,
    next_of,
    recorder_of,
    storage_of,
    train,
)
from tests.studies.spaces import DIGITS


@pytest.fixture
def opened(study: optuna.Study, tmp_path: Path) -> OpenStudy:
    """A study of three trials, of which the best two, 1 and 2, have their checkpoints."""
    claims = claims_of(study)
    recorder = recorder_of(study, claims, tmp_path)
    for value in (0.3, 0.5, 0.4):
        claim = next_of(claims)
        folder = recorder.files.checkpoints(claim.number)
        folder.mkdir(parents=True)
        checkpoint.save(folder, TrialState(identity="x"), {"a": np.zeros(2)})
        train(recorder, claims, claim, value)
    record = StudyRecord(
        settings={"metric": "accuracy", "keep_top": 2, "trials": 3},
        space={},
        facts=DIGITS.model_dump(),
        manifest_digest="",
        manifest_artifact="0a1b2c3d-key",
    )
    return OpenStudy(study, record, storage_of(study), files_of(study, tmp_path))


def test_the_best_wait_to_be_trained(opened: OpenStudy) -> None:
    """Each begins with the other's checkpoint, and has its settings but for the epochs."""
    more = continue_trials(opened, 20, top=5)
    assert (more.numbers, more.total) == ([1, 2], 5)
    claim = next_of(claims_of(opened.study, total=5))
    assert claim.number == 3
    assert claim.label == "1 continued"
    assert claim.continues is not None
    assert claim.continues.number == 1
    assert claim.config == claim.continues.config.continued(2, 20)
    assert (claim.config.training.epochs, claim.config.training.continued_after) == (22, 2)


def test_a_continued_trial_can_be_continued(opened: OpenStudy, tmp_path: Path) -> None:
    """It knows what it began with, all the way back."""
    continue_trials(opened, 20, number=1)
    claims = claims_of(opened.study, total=5)
    recorder = recorder_of(opened.study, claims, tmp_path)
    claim = next_of(claims)
    folder = recorder.files.checkpoints(claim.number)
    folder.mkdir(parents=True)
    checkpoint.save(folder, TrialState(identity="x"), {"a": np.zeros(2)})
    train(recorder, claims, claim, 0.9)
    continue_trials(opened, 1, number=3)
    again = next_of(claims).continues
    assert again is not None
    assert again.continues is not None
    assert (again.number, again.continues.number) == (3, 1)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (0, "is kept while it is one of the best 2"),
        (9, "There is no such trial. Received: --trial 9, of 3 trials."),
        (-1, "There is no such trial."),
    ],
)
def test_what_cannot_be_continued(opened: OpenStudy, number: int, message: str) -> None:
    """It says why, and nothing is added to the study."""
    with pytest.raises(StudyError, match=message):
        continue_trials(opened, 5, number=number)
    assert len(opened.study.trials) == 3


def test_nothing_to_continue(opened: OpenStudy) -> None:
    """A study whose checkpoints are gone says what is kept."""
    for number in (1, 2):
        opened.files.drop_checkpoints(number)
    with pytest.raises(StudyError, match="The best 2 keep their last checkpoints"):
        continue_trials(opened, 5, top=3)
