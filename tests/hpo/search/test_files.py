"""What a study keeps in files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import optuna
import pytest
from optuna.artifacts import ArtifactMeta, get_all_artifact_meta

from hpo.search import files as files_module
from hpo.search.files import Files
from hpo.training.checkpoint import best_path
from studies.errors import StudyError
from studies.scheduler import Keep
from tests.hpo.search.small_study import files_of, storage_of


@pytest.fixture
def files(study: optuna.Study, tmp_path: Path) -> Files:
    """Those of an empty study."""
    return files_of(study, tmp_path)


def leave(files: Files, number: int, text: str, epoch: int = 2) -> Path:
    """Leaves a trial's best epoch where its worker would."""
    path = best_path(files.checkpoints(number), epoch)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def keep(files: Files, *numbers: int, checkpoints: frozenset[int] = frozenset()) -> None:
    """Keeps the weights of these trials' second epochs."""
    files.keep(Keep(dict.fromkeys(numbers, 2), checkpoints))


def texts(files: Files) -> dict[int, str]:
    """What the weights are that are kept."""
    return {number: path.read_text() for number, path in sorted(files.weights().items())}


@pytest.mark.parametrize("key", ["../studies.db", "/etc/passwd", "a/b", "..", "", "a\n"])
def test_keys_that_lead_elsewhere(files: Files, key: str) -> None:
    """They are refused before a file is opened."""
    with pytest.raises(StudyError, match="The key of a study's files must consist of"):
        Files(files.study, files.storage, files.paths, key)


def test_names_that_lead_elsewhere(files: Files, tmp_path: Path) -> None:
    """A storage that names a file outside as an artifact does not get it deleted."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    meta = ArtifactMeta("../precious", "trial-00000.weights.npz", "x/y", None)
    files.storage.set_study_system_attr(
        files.study._study_id, "artifacts:../precious", json.dumps(asdict(meta))
    )
    assert files.weights() == {}
    keep(files)
    files.delete()
    assert precious.read_text() == "mine"


class TestKeep:
    """What stays and what goes."""

    def test_weights_and_checkpoints(self, files: Files) -> None:
        """Weights of some trials and checkpoints of others; all else is deleted."""
        for number in range(4):
            leave(files, number, f"trial {number}")
        keep(files, 0, 2, checkpoints=frozenset([2, 3]))
        assert texts(files) == {0: "trial 0", 2: "trial 2"}
        assert [files.checkpoints(number).exists() for number in range(4)] == [
            *(False, False, True, True)
        ]
        keep(files, 2, checkpoints=frozenset([3]))
        assert texts(files) == {2: "trial 2"}

    def test_other_weights_of_the_same_trial(self, files: Files) -> None:
        """A paused trial that was resumed has better ones by now."""
        leave(files, 0, "early")
        keep(files, 0, checkpoints=frozenset([0]))
        leave(files, 0, "late!")
        keep(files, 0)
        assert texts(files) == {0: "late!"}

    def test_weights_that_are_gone_meanwhile(self, files: Files) -> None:
        """A paused trial goes on in another worker, which deletes what is outdated."""
        leave(files, 1, "weights")
        keep(files, 0, 1)
        assert texts(files) == {1: "weights"}

    def test_the_dashboard_offers_them(self, files: Files) -> None:
        """Those that are kept, and no others."""
        leave(files, 0, "first")
        keep(files, 0)
        leave(files, 1, "second")
        keep(files, 1)
        (meta,) = get_all_artifact_meta(files.study, storage=files.storage)
        suffix = best_path(Path(), 0).suffix
        assert meta.filename == f"trial-00001.weights{suffix}"
        assert (files.paths.artifacts / meta.artifact_id).read_text() == "second"

    def test_after_a_kill_while_they_are_copied(
        self, files: Files, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Half a file is none; the next time it is whole, and nothing is left over."""
        leave(files, 0, "weights")
        with monkeypatch.context() as patch:
            patch.setattr(files_module, "_put", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                keep(files, 0)
        assert files.weights() == {}
        keep(files, 0)
        assert texts(files) == {0: "weights"}
        assert len(list(files.paths.artifacts.iterdir())) == 1

    def test_weights_of_earlier_versions(self, files: Files) -> None:
        """They had names by Optuna; they are found, replaced and deleted all the same."""
        for number in range(2):
            meta = ArtifactMeta(f"abc-{number}", f"trial-0000{number}.weights.npz", "x/y", None)
            files.storage.set_study_system_attr(
                files.study._study_id, f"artifacts:abc-{number}", json.dumps(asdict(meta))
            )
            files.paths.artifacts.mkdir(exist_ok=True)
            (files.paths.artifacts / f"abc-{number}").write_text(f"old {number}")
        assert texts(files) == {0: "old 0", 1: "old 1"}
        leave(files, 0, "new 0")
        keep(files, 0)
        assert texts(files) == {0: "new 0"}
        assert len(list(files.paths.artifacts.iterdir())) == 1


def test_a_study_that_the_dashboard_renames(study: optuna.Study, files: Files) -> None:
    """Weights, checkpoints and the list of images are found under the new name, and offered."""
    files.write_manifest("{}")
    files.stamps.parent.mkdir(parents=True)
    leave(files, 0, "weights")
    keep(files, 0)
    leave(files, 3, "interrupted")
    # What its rename does: `optuna_dashboard._app.rename_study`.
    renamed = optuna.create_study(study_name="other", storage=storage_of(study))
    renamed.add_trials(study.get_trials(deepcopy=False))
    optuna.delete_study(study_name="s", storage=storage_of(study))
    found = Files(renamed, files.storage, files.paths, files.key)
    assert texts(found) == {0: "weights"}
    assert found.checkpoints(3).exists()
    assert found.manifest.read_text() == "{}"
    keep(found, 0, checkpoints=frozenset([3]))
    assert [meta.artifact_id for meta in get_all_artifact_meta(renamed)] == [
        found.weights()[0].name
    ]


def test_delete(study: optuna.Study, files: Files, tmp_path: Path) -> None:
    """All files of the study go, and none of another."""
    other = Files(
        optuna.create_study(study_name="t", storage=storage_of(study)),
        files.storage,
        files.paths,
        "0a1b2c3d-key-2",
    )
    for each in (files, other):
        each.write_manifest("{}")
        leave(each, 0, "weights")
        keep(each, 0)
    trial = study.ask()
    study._storage.set_trial_system_attr(trial._trial_id, "artifacts:abc", "null")
    (files.paths.artifacts / "abc").write_text("a picture")
    files.delete()
    assert texts(other) == {0: "weights"}
    assert {path.name for path in files.paths.artifacts.iterdir()} == {
        other.key,
        f"{other.key}-00000",
    }
    assert tmp_path.joinpath("work").exists()
