"""`hpo worker` beside `hpo run`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hpo.cli import main
from tests.hpo.running import SETTINGS, Run, study_of

TRIALS = 6


def test_two_processes_share_a_study(tmp_path: Path) -> None:
    """Together they train each trial once, and both end when the study is complete."""
    (tmp_path / "s.toml").write_text(SETTINGS)
    first = Run(tmp_path, "--config", "s.toml", "--trials", str(TRIALS))
    assert first.wait_for(lambda: first.count(r"trial 0 .*started"))
    second = Run(tmp_path, command="worker")
    assert first.end() == 0
    assert second.end() == 0
    started = [run.count(r"trial \d+ .*started") for run in (first, second)]
    assert sum(started) == TRIALS
    assert min(started) >= 1
    trials = study_of(tmp_path).trials
    assert len(trials) == TRIALS
    assert all(trial.state.is_finished() for trial in trials)


def test_without_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was begun it says what to type."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["worker"])
    assert result.exit_code == 1
    assert "There is no study here yet." in result.output
    assert "Type `hpo run` first" in result.output
