"""Artifacts stay in their folder, whatever a storage says."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import optuna
import pytest
from optuna.artifacts import ArtifactMeta

from hpo.search.artifacts import Artifacts
from studies.errors import StudyError
from studies.storage import default_url, open_storage


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    """Those of an empty study."""
    storage = open_storage(default_url(tmp_path))
    study = optuna.create_study(study_name="s", storage=storage)
    return Artifacts(study, storage, tmp_path / "artifacts")


@pytest.mark.parametrize("artifact_id", ["../studies.db", "/etc/passwd", "a/b", "..", "", "a\n"])
def test_ids_that_lead_elsewhere(artifacts: Artifacts, artifact_id: str) -> None:
    """They are refused before a file is opened."""
    with pytest.raises(StudyError, match="An artifact's id is made of"):
        artifacts.path(artifact_id)


def test_weights_are_not_written_elsewhere(artifacts: Artifacts, tmp_path: Path) -> None:
    """A storage that names a file outside as an artifact to replace does not get it replaced."""
    precious, weights = tmp_path / "precious", tmp_path / "best-0001"
    precious.write_text("mine")
    weights.write_text("weights")
    meta = ArtifactMeta("../precious", "trial-00000.weights.safetensors", "x/y", None)
    artifacts.storage.set_study_system_attr(
        artifacts.study._study_id, "artifacts:x", json.dumps(asdict(meta))
    )
    with pytest.raises(StudyError, match="An artifact's id is made of"):
        artifacts.keep([1], {1: weights})
    assert precious.read_text() == "mine"


def test_weights_that_are_gone_meanwhile(artifacts: Artifacts, tmp_path: Path) -> None:
    """A trial that was laid aside goes on in another worker, which deletes what is outdated."""
    weights = tmp_path / "best-0002"
    weights.write_text("weights")
    artifacts.keep([0, 1], {0: tmp_path / "best-0001", 1: weights})
    assert list(artifacts.weights()) == [1]


def test_names_that_lead_elsewhere(artifacts: Artifacts, tmp_path: Path) -> None:
    """A kept file's name is only a label: it lies in the folder under its id."""
    artifact_id = artifacts.add_text("manifest.json", "{}")
    assert [path.name for path in artifacts.folder.iterdir()] == [artifact_id]
