"""Tests of `hpo import`, and of what a search makes of imported trials."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hpo.cli import main
from hpo.search.board import new_board
from hpo.search.claims import Claim, Claims
from studies.leases import Leases
from studies.pruners import NoPruner
from studies.scheduler import Scheduler, TrialRecord, Wait
from studies.space import DataFacts, Space
from tests.hpo.hand_tuned import new_study

CSV = "batch_size,epochs,value,label\n64,10,0.99,first\n32,10,0.5,\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study that has a baseline waiting, and a file of two runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HPO_STORAGE", raising=False)
    new_study(tmp_path)
    (tmp_path / "runs.csv").write_text(CSV)
    return tmp_path


def typed(*words: str) -> Result:
    """Types a command."""
    return CliRunner().invoke(main, list(words), prog_name="hpo")


@pytest.mark.usefixtures("folder")
def test_runs_are_listed_as_imported_and_never_twice() -> None:
    """The command can be typed again."""
    assert typed("import", "runs.csv").output == "Imported 2 runs into 'hand'.\n"
    assert (
        "Imported 0 runs into 'hand', 2 were there already." in typed("import", "runs.csv").output
    )
    rows = json.loads(typed("trials", "--json").output)
    assert [row["reason"] for row in rows] == ["waiting", "imported", "imported"]


def test_a_bad_row_imports_nothing(folder: Path) -> None:
    """Its line is named, with exit code 1."""
    (folder / "runs.csv").write_text(CSV + "64,10,99,\n")
    result = typed("import", "runs.csv", "--study", "hand")
    assert result.exit_code == 1
    assert "runs.csv, line 4: value is the accuracy, a number from 0 to 1" in result.output
    assert len(json.loads(typed("trials", "--json").output)) == 1


@pytest.mark.usefixtures("folder")
def test_best_never_offers_them() -> None:
    """They have no weights."""
    typed("import", "runs.csv")
    result = typed("best")
    assert result.exit_code == 1
    assert "needs a complete trial" in result.output


def test_a_search_counts_and_copies_none_of_them(folder: Path) -> None:
    """`--trials 1` still trains one, and the same settings are trained, not taken over."""
    typed("import", "runs.csv")
    opened = new_study(folder)
    space = Space.model_validate(opened.record.space)
    facts = DataFacts.model_validate(opened.record.facts)
    scheduler = Scheduler(NoPruner(), total=1)
    claims = Claims(opened.study, space, facts, Leases(opened.storage.engine), scheduler)
    claim = claims.next()
    assert isinstance(claim, Claim)
    assert claim.label == "by hand"
    assert claims.next() == Wait()
    trials = claims.trials()
    imported = next(trial for trial in trials if trial.reason == "imported")
    copy = TrialRecord(9, "running", settings=imported.settings)
    assert scheduler.duplicate_of(copy, trials) is None
    board = new_board("hand", "accuracy", 1)
    board.resume(trials)
    assert (board.finished, board.best) == (0, None)
