"""Tests of `hpo trials`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import optuna

from studies.storage import default_url, open_storage
from tests.hpo.conftest import (
    BASELINE,
    BEST,
    FAILED,
    PRUNED,
    TRACEBACK,
    FinishedStudy,
)


def test_lists_every_trial_with_how_it_ended(finished_study: FinishedStudy) -> None:
    """Baselines carry their label, failures the last line of their traceback."""
    result = finished_study.type("trials")
    head, *lines = result.output.splitlines()
    assert result.exit_code == 0
    assert re.split(r"  +", head.strip()) == [
        "trial",
        "label",
        "state",
        "accuracy",
        "best epoch",
        "backbone",
        "px",
        "batch",
        "learning rate",
        "optimizer",
        "time s",
        "failure",
    ]
    cells = [re.split(r"  +", line.strip()) for line in lines]
    assert [row[0] for row in cells] == ["0", "1", "2", "3", "4"]
    assert cells[BASELINE][1:3] == ["by hand", "complete"]
    assert cells[BEST][4:] == ["2 of 3", "cnn", "8", "16", "3.00e-03", "adam", "4.5", "-"]
    assert cells[PRUNED][2] == "pruned"
    assert cells[FAILED][2:4] + cells[FAILED][-1:] == ["failed", "-", "RuntimeError: no luck"]


def test_a_value_in_parentheses_is_an_unfinished_trials_best(own_study: FinishedStudy) -> None:
    """Of a trial that nobody trains any more, with the epochs it has done."""
    storage = open_storage(default_url(own_study.folder / "hpo_runs"))
    trial = optuna.load_study(study_name=own_study.name, storage=storage).ask()
    for epoch, value in enumerate((0.5, 0.75, 0.25), start=1):
        trial.report(value, epoch)
    cells = re.split(r"  +", own_study.type("trials").output.splitlines()[-1].strip())
    assert cells[:5] == ["5", "-", "interrupted", "(0.7500)", "2 of 3"]
    row = json.loads(own_study.type("trials", "--json").output)[-1]
    assert (row["reason"], row["value"], row["best_so_far"]) == ("interrupted", None, 0.75)


def test_json_holds_all_settings(finished_study: FinishedStudy) -> None:
    """Each trial has its whole configuration, its value and its seconds by phase."""
    rows = json.loads(finished_study.type("trials", "--json").output)
    assert [row["trial"] for row in rows] == [0, 1, 2, 3, 4]
    assert rows[BEST]["settings"]["optimizer"]["learning_rate"] == 3e-3
    assert rows[BEST]["timing"] == {"total": 4.5, "training": 1.5, "data": 0.25}
    assert rows[BEST]["label"] is None
    assert rows[FAILED]["message"] == TRACEBACK
    assert rows[FAILED]["value"] is None


def test_failed_shows_whole_tracebacks_of_failures_only(finished_study: FinishedStudy) -> None:
    """Only the trial that failed is shown, every line of its traceback indented."""
    result = finished_study.type("trials", "--failed")
    assert result.output == (
        "Trial 4: failed\n"
        "  Traceback (most recent call last):\n"
        "    File x\n"
        "  RuntimeError: no luck\n"
    )


def test_timing_shows_seconds_by_phase_and_their_sum(finished_study: FinishedStudy) -> None:
    """Phases come in the order of the work; a trial without times shows dashes."""
    result = finished_study.type("trials", "--timing")
    head, *lines = result.output.splitlines()
    assert re.split(r"  +", head.strip()) == [
        "trial",
        "state",
        "total s",
        "data s",
        "training s",
        "images/s",
    ]
    assert lines[BEST].split() == ["2", "complete", "4.5", "0.25", "1.50", "1,234"]
    assert lines[PRUNED].split() == ["3", "pruned", "-", "-", "-", "-"]
    assert lines[-1].split() == ["-", "all", "10.5", "0.75", "4.50", "-"]


def test_names_a_study_like_the_unknown_one(finished_study: FinishedStudy) -> None:
    """A misspelt study is answered with its likely name and with those there are."""
    result = finished_study.type("trials", "--study", "color")
    assert result.exit_code == 1
    assert result.output == (
        "Error: There is no study of that name. Received: color. Did you mean colours? "
        "There are: colours.\n"
    )


def test_a_storage_that_does_not_answer_is_named_without_its_password(
    finished_study: FinishedStudy,
) -> None:
    """Of a storage that cannot be reached the URL is shown, but not the password in it."""
    url = "postgresql://ann:secret@127.0.0.1:1/none"
    result = finished_study.type("trials", "--storage", url)
    assert result.exit_code == 1
    assert "Received: postgresql://ann:***@127.0.0.1:1/none" in result.output
    assert "secret" not in result.output


def test_a_storage_that_is_no_url_is_refused(finished_study: FinishedStudy) -> None:
    """The message shows how a URL is written."""
    result = finished_study.type("trials", "--storage", "my studies")
    assert result.exit_code == 1
    assert result.output == (
        "Error: --storage must be a database URL. Received: something else. Write it as "
        "sqlite:///studies.db or postgresql://user:password@host/database.\n"
    )


def test_a_file_that_is_no_database_is_refused(
    finished_study: FinishedStudy, tmp_path: Path
) -> None:
    """A SQLite URL of another file is a message, and the file stays as it is."""
    file = tmp_path / "notes.txt"
    file.write_text("not a database " * 100)
    result = finished_study.type("trials", "--storage", f"sqlite:///{file}")
    assert result.exit_code == 1
    assert f"Received: sqlite:///{file} (file is not a database)" in result.output
    assert file.read_text() == "not a database " * 100
