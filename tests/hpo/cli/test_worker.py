"""`hpo worker` beside `hpo run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hpo.cli import main
from hpo.search import session
from hpo.search.open_study import OpenStudy
from tests.hpo.hand_tuned import new_study
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


@pytest.mark.parametrize("words", [(), ("--workers", "3", "--timeout", "1h")])
def test_what_the_study_was_created_with_was_for_that_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """A worker without options has the defaults that its help names."""
    new_study(tmp_path, workers=8, timeout_s=60)
    heard: dict[str, Any] = {}

    def not_run(opened: OpenStudy, asked: dict[str, Any], *_: object, **__: object) -> None:
        heard.update(asked)
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "run_study", not_run)
    CliRunner().invoke(main, ["worker", *words])
    workers, timeout_s = (3, 3600.0) if words else (1, None)
    assert heard == {"workers": workers, "device": "auto", "timeout_s": timeout_s}


def test_without_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was begun it says what to type."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["worker"])
    assert result.exit_code == 1
    assert "There is no study here yet." in result.output
    assert "Type `hpo run` first" in result.output
