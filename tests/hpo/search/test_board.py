"""What views show of a search."""

from __future__ import annotations

from pathlib import Path

import optuna

from hpo.search.board import new_board
from studies.record import STANDING_KEY
from tests.hpo.search.small_study import claims_of, outcome_of, recorder_of, train


def test_the_best_so_far(study: optuna.Study, tmp_path: Path) -> None:
    """A trial that was laid aside counts, until it ends without a value."""
    claims = claims_of(study)
    recorder = recorder_of(study, claims, tmp_path)
    first, second = claims.next(), claims.next()
    assert first
    assert second
    train(recorder, first, 0.5)
    recorder.lay_aside(second, outcome_of(0.75, reason="interrupted"))
    assert STANDING_KEY in study.trials[1].user_attrs
    board = new_board("s", "accuracy", 3)
    board.resume(study)
    assert (board.finished, board.best_number, board.best) == (1, 1, 0.75)
    board.ended(second, outcome_of(reason="diverged", value=None))
    assert (board.finished, board.best_number, board.best) == (2, 0, 0.5)
    board.ended(second, outcome_of(0.4))
    assert (board.best_number, board.best) == (0, 0.5)
    board.ended(second, outcome_of(0.6))
    assert (board.best_number, board.best) == (1, 0.6)
