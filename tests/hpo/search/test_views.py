"""How a search is shown."""

from __future__ import annotations

import io
import re
from typing import Any

import optuna
import pytest
from rich.console import Console

from hpo.search import views
from hpo.search.board import Board, new_board
from hpo.search.views import is_live, render
from hpo.training.protocol import EpochEnd, Progress, Ready, Started
from tests.clock import Clock
from tests.hpo.search.fake_runner import FakeWorker
from tests.hpo.search.small_study import claims_of, next_of, outcome_of


@pytest.fixture
def board(study: optuna.Study) -> Board:
    """Two trials that have ended, one of them for lack of memory, and one in its tenth epoch."""
    claims, board, worker = (
        claims_of(study, total=200),
        new_board("s", "accuracy", 200),
        FakeWorker(0),
    )
    board.ready(worker, Ready(device="GPU NVIDIA H200"))
    for outcome in (
        outcome_of(0.9517, seconds={"total": 4000.0}),
        outcome_of(reason="out of memory", value=None),
    ):
        claim = next_of(claims)
        claim.label = "the settings that everybody takes"
        board.started(worker, claim, Started(epoch=0))
        board.epoch(worker, claim, EpochEnd(values=[0.8125], metrics={}))
        board.progress(worker, Progress(done=0.5, images_per_s=12345.6))
        board.ended(claim, outcome)
    board.started(worker, next_of(claims), Started(epoch=0))
    board.epoch(worker, claim, EpochEnd(values=[0.7777, 0.7391], metrics={}))
    board.progress(worker, Progress(done=0.5, images_per_s=12345.6))
    return board


@pytest.mark.parametrize("columns", [60, 80, 100, 120])
def test_figures_are_never_shortened(board: Board, columns: int) -> None:
    """The settings give way; images/s and time are left out where there is no room for them."""
    file = io.StringIO()
    console = Console(file=file, width=columns, force_terminal=True, color_system=None)
    console.print(render(board, console.width))
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    title = next(number for number, line in enumerate(lines) if "settings" in line)
    first, second, third = lines[title + 1 : title + 4]
    assert re.search(r"^ +0 .* 2/\d+ +0\.9517 +0\.9517 ", first)
    assert re.search(r"^ +1 .* 2/\d+ +0\.8125 +0\.8125 ", second)
    assert re.search(r"^ +2 .* 2/\d+  50% +0\.7391 +0\.7777 ", third)
    assert [line.split()[-1] for line in (first, second, third)] == [
        "complete",
        "memory",
        "running",
    ]
    assert ("images/s" in lines[title]) == ("12,346" in third) == (columns >= 100)
    assert ("1 h 06 min" in first) == (columns >= 100)
    assert "best accuracy 0.9517 (trial 0)" in " ".join(" ".join(lines[:title]).split())


class Terminal(io.StringIO):
    """A file that is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


@pytest.mark.parametrize(
    ("file", "variables", "live"),
    [
        (Terminal, {}, True),
        (Terminal, {"NO_COLOR": "1"}, True),
        (Terminal, {"TERM": "dumb"}, False),
        (io.StringIO, {}, False),
        (io.StringIO, {"FORCE_COLOR": "1"}, False),
        (io.StringIO, {"TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1"}, False),
    ],
)
def test_a_live_table_is_for_terminals(
    monkeypatch: pytest.MonkeyPatch, file: Any, variables: dict[str, str], live: bool
) -> None:
    """A variable that wants colours, as in the logs of a CI job, does not make a terminal."""
    for name, value in ({"TERM": "xterm"} | variables).items():
        monkeypatch.setenv(name, value)
    assert is_live(Console(file=file())) is live


def test_fast_epochs_do_not_fill_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first lines there is one a second, whatever the epochs take."""
    clock = Clock()
    monkeypatch.setattr(views, "time", clock)
    pace = views.Pace()
    lines = 0
    for _ in range(300 * 16):
        lines += pace.allows()
        clock.now += 1 / 16
    assert lines == 60 + 299
