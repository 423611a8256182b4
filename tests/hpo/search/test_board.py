"""What views show of a search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna

from hpo.search.board import new_board
from hpo.training.protocol import Started
from tests.hpo.search.fake_runner import FakeWorker
from tests.hpo.search.small_study import (
    claims_of,
    next_of,
    outcome_of,
    pause,
    recorder_of,
    train,
)


def test_the_best_so_far(study: optuna.Study, tmp_path: Path) -> None:
    """A paused trial counts, until it ends without a value."""
    claims = claims_of(study)
    recorder = recorder_of(study, claims, tmp_path)
    first, second = next_of(claims), next_of(claims)
    train(recorder, claims, first, 0.5)
    pause(recorder, claims, second, 0.75)
    board = new_board("s", "accuracy", 3)
    board.resume(claims.trials())
    assert (board.finished, board.best_number, board.best) == (1, 1, 0.75)
    board.ended(second, outcome_of(reason="diverged", value=None))
    assert (board.finished, board.best_number, board.best) == (2, 0, 0.5)
    board.ended(second, outcome_of(0.4))
    assert (board.best_number, board.best) == (0, 0.5)
    board.ended(second, outcome_of(0.6))
    assert (board.best_number, board.best) == (1, 0.6)


def test_equal_trials(study: optuna.Study) -> None:
    """The lower validation loss decides, as it does in the ranking, and then the number."""
    claims = claims_of(study, total=4)
    board = new_board("s", "accuracy", 4)

    def ended(loss: float) -> Any:
        history = {"val_accuracy": [0.5, 1.0], "val_loss": [0.1, loss]}
        board.ended(next_of(claims), outcome_of(1.0, history=history))
        return board.best_number

    assert [ended(0.3), ended(0.2), ended(0.2), ended(0.25)] == [0, 1, 1, 1]


def test_a_worker_that_lost_its_trial(study: optuna.Study) -> None:
    """Its row goes; that of the worker which goes on with the trial ends with it."""
    claims, board = claims_of(study), new_board("s", "accuracy", 3)
    claim, first, second = next_of(claims), FakeWorker(0), FakeWorker(1)
    board.started(first, claim, Started(epoch=0))
    board.left(first)
    board.started(second, claim, Started(epoch=2))
    assert [row.epoch for row in board.running.values()] == [2]
    board.ended(claim, outcome_of())
    assert board.running == {}
    assert [row.number for row in board.recent] == [0]
