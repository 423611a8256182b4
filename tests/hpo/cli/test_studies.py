"""Tests of `hpo studies`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner

from hpo.cli import main
from hpo.paths import paths
from hpo.search.open_study import find_study
from studies.storage import default_url, open_storage
from tests.hpo.conftest import FinishedStudy


def test_lists_the_studies_with_their_best_value(finished_study: FinishedStudy) -> None:
    """A line a study: trials finished of all, best value, metric, data, classes, size."""
    result = finished_study.type("studies")
    head, line = result.output.splitlines()
    assert result.exit_code == 0
    assert head.split()[:4] == ["study", "trials", "best", "metric"]
    assert line.split()[:4] == ["colours", "5", "of", "5"]
    assert line.split()[5:9] == ["accuracy", str(finished_study.images), "3", "8"]
    assert line.endswith("latest")


def test_json_holds_what_the_study_was_created_with(finished_study: FinishedStudy) -> None:
    """The JSON counts trials by state and holds the settings."""
    (row,) = json.loads(finished_study.type("studies", "--json").output)
    assert row["trials"] == {"complete": 3, "pruned": 1, "fail": 1}
    assert row["settings"]["data"] == str(finished_study.images)
    assert row["facts"]["classes"] == 3
    assert row["latest"] is True
    assert 0.5 < row["best_value"] <= 1


def test_the_study_created_last_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies come in the order of their creation, other programs' among them."""
    monkeypatch.chdir(tmp_path)
    storage = open_storage(default_url(tmp_path / "hpo_runs"))
    for name in ("zebra", "ant"):
        optuna.create_study(study_name=name, storage=storage)
    rows = json.loads(CliRunner().invoke(main, ["studies", "--json"]).output)
    assert [(row["study"], row["latest"]) for row in rows] == [("zebra", False), ("ant", True)]


def test_the_study_that_is_meant_is_marked(
    finished_study: FinishedStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program's later study is not what the other commands take."""
    shutil.copytree(finished_study.folder / "hpo_runs", tmp_path / "hpo_runs")
    monkeypatch.chdir(tmp_path)
    storage = open_storage(default_url(tmp_path / "hpo_runs"))
    optuna.create_study(study_name="foreign", storage=storage)
    rows = json.loads(CliRunner().invoke(main, ["studies", "--json"]).output)
    assert [(row["study"], row["latest"]) for row in rows] == [
        ("colours", True),
        ("foreign", False),
    ]
    assert find_study(paths(None), None).study.study_name == "colours"


def test_says_that_there_is_no_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a storage the command fails, says what to do and creates nothing."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["studies"])
    assert result.exit_code == 1
    assert result.output == (
        f"Error: There is no study here yet. Received: sqlite:///{tmp_path}/hpo_runs/studies.db, "
        "which does not exist. Type `hpo run` first, or go to the folder where it was typed.\n"
    )
    assert list(tmp_path.iterdir()) == []
