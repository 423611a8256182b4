"""Tests of exporting models."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_pipeline.errors import DataError
from data_pipeline.manifest import Item, Manifest
from hpo.converters.table import FORMATS
from hpo.paths import Paths
from hpo.results import delivery
from hpo.results import export as exporting
from hpo.results.export import Exported, export
from hpo.results.targets import Target
from hpo.results.verify import Job, Report, check, lead_over
from hpo.search.open_study import OpenStudy, find_study, read_manifest
from models.errors import ModelError
from studies.errors import StudyError
from tests.hpo.conftest import BASELINE, BEST, CLASSES, SECOND, FinishedStudy

# Keras saves its variables through an interface that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

OUTSIDE = """
import sys, json, keras, numpy as np
from PIL import Image
model = keras.saving.load_model(sys.argv[1])
shares = [model.predict(np.asarray(Image.open(p))[None], verbose=0)[0] for p in sys.argv[2:]]
ours = {"hpo", "models", "studies", "data_pipeline"} & set(sys.modules)
print(json.dumps({"classes": [int(s.argmax()) for s in shares], "ours": sorted(ours)}))
"""


def opened(study: FinishedStudy) -> OpenStudy:
    """Opens the study."""
    runs = study.folder / "hpo_runs"
    return find_study(Paths(f"sqlite:///{runs / 'studies.db'}", runs), None)


def to_keras(study: OpenStudy, trial: int, path: Path) -> Exported:
    """Exports a trial as a `.keras` file."""
    return export(study, study.study.trials[trial], [Target(FORMATS["keras"], path)])


def test_an_exported_model_needs_plain_keras_only(
    finished_study: FinishedStudy, exported: Path, tmp_path: Path
) -> None:
    """Outside the project, without its code, the file classifies image files of any size."""
    files = [finished_study.images / name / f"{i:03d}.png" for name in CLASSES for i in (0, 2)]
    for size, file in zip(((7, 5), (64, 48)), files[:2], strict=True):
        Image.open(file).resize(size).save(tmp_path / file.name)
    seen = [*(tmp_path / file.name for file in files[:2]), *files[2:]]
    done = subprocess.run(
        [sys.executable, "-I", "-c", OUTSIDE, str(exported), *map(str, seen)],
        cwd=tmp_path,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {"classes": [0, 0, 1, 1, 2, 2], "ours": []}


def test_the_report_says_what_the_fresh_process_found(
    finished_study: FinishedStudy, export_report: dict[str, Any], exported: Path
) -> None:
    """The recorded figure is reproduced, and each of these few images was read both ways."""
    study = opened(finished_study)
    images = sum(item.split == "validation" for item in read_manifest(study).items)
    found = export_report["exported"]
    assert found["recorded"] == study.study.trials[BEST].value
    assert found["figures"]["accuracy"] == pytest.approx(found["recorded"], abs=1e-6)
    assert (found["files"], found["contradicting"]) == (images, 0)
    assert found["agreeing"] >= images - 1
    assert found["size_bytes"] == exported.stat().st_size
    assert list(finished_study.folder.glob(".hpo-*")) == []


def test_a_model_that_is_another_is_not_kept(own_study: FinishedStudy) -> None:
    """Weights that do not give the recorded figure fail the export, and no file is left."""
    study = opened(own_study)
    plain, trained = (study.files.weights()[number] for number in (BASELINE, BEST))
    trained.write_bytes(plain.read_bytes())
    target = own_study.folder / "model.keras"
    with pytest.raises(ModelError, match="must reproduce its trial's validation accuracy"):
        to_keras(study, BEST, target)
    assert list(own_study.folder.glob("*.keras")) == []
    assert list(own_study.folder.glob(".hpo-*")) == []


def test_weights_that_were_not_kept_are_named(finished_study: FinishedStudy) -> None:
    """The message says which trials have weights and how to choose one."""
    study = opened(finished_study)
    with pytest.raises(StudyError) as caught:
        to_keras(study, SECOND, finished_study.folder / "second.keras")
    assert str(caught.value) == (
        "The weights of trial 1 are needed. Received: they were not kept. Trials with weights: "
        "0, 2; choose one with --trial. A study keeps those of its `keep_top` best trials and of "
        "its baselines, in the folder where `hpo run` was typed."
    )


@pytest.mark.parametrize("damage", ["missing", "torn"])
def test_damaged_weights_are_said_to_be(own_study: FinishedStudy, damage: str) -> None:
    """A deleted or cut-off weights file is a message, not a traceback."""
    study = opened(own_study)
    file = study.files.weights()[BEST]
    file.unlink() if damage == "missing" else os.truncate(file, 1000)
    with pytest.raises(StudyError, match="Received: their file is gone or damaged"):
        to_keras(study, BEST, own_study.folder / "model.keras")


def test_weights_of_an_earlier_version_are_refused(own_study: FinishedStudy) -> None:
    """One sentence says what they are and what can be done."""
    study = opened(own_study)
    np.savez(file := own_study.folder / "old.npz", a00000=[1.0])
    shutil.copy(file, study.files.weights()[BEST])
    with pytest.raises(StudyError) as caught:
        to_keras(study, BEST, own_study.folder / "model.keras")
    assert str(caught.value) == (
        "Weights must be kept by name. Received: those of trial 2, which an earlier version of hpo "
        "kept by position. Use that version, or run the study again."
    )


def test_a_verifier_that_crashes_leaves_no_file(
    own_study: FinishedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends the fresh process, its last words are shown and the file is removed."""
    monkeypatch.setattr(delivery, "VERIFIER", [sys.executable, "-c", "raise SystemExit('boom')"])
    study = opened(own_study)
    with pytest.raises(ModelError, match=r"Received: boom\. No file was kept\."):
        to_keras(study, BEST, own_study.folder / "model.keras")
    assert list(own_study.folder.glob("*.keras")) == []
    assert list(own_study.folder.glob(".hpo-*")) == []


@pytest.fixture
def moved_study(own_study: FinishedStudy) -> FinishedStudy:
    """The study's folder without its images, which are gone from where they were."""
    study = opened(own_study)
    path = study.files.manifest
    gone = str(own_study.folder.parent / "gone" / "images")
    manifest = read_manifest(study).model_copy(update={"source": gone})
    path.write_text(manifest.model_dump_json())
    return own_study


def test_without_images_the_decoded_ones_are_checked(moved_study: FinishedStudy) -> None:
    """They are in the cache still; what is left out is said."""
    study = opened(moved_study)
    found = to_keras(study, BEST, moved_study.folder / "model.keras")
    assert found.report.figures["accuracy"] == pytest.approx(found.recorded, abs=1e-6)
    assert (found.report.files, found.report.problem) == (0, None)
    assert "gone/images" in found.report.left_out
    result = moved_study.type("best", "--export", "again.keras")
    assert result.exit_code == 0, result.output
    assert "No file was read to compare it with its decoded image" in " ".join(
        result.output.split()
    )


def test_without_images_and_cache_the_file_is_compared_with_the_model(
    moved_study: FinishedStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must say of noise what the model said; no figure is made up."""
    monkeypatch.setenv("HPO_CACHE_DIR", str(tmp_path / "empty"))
    study = opened(moved_study)
    found = to_keras(study, BEST, moved_study.folder / "model.keras")
    assert found.report.figures == {}
    assert found.report.difference is not None
    assert found.report.difference < 1e-5
    assert "figures were not computed again" in found.report.left_out


def test_a_file_that_says_something_else_is_refused() -> None:
    """Without images too."""
    manifest = Manifest(
        source="/gone", kind="folder", layout="class_folders", classes=("a",), items=(), seed=0
    )
    with pytest.raises(ModelError, match=r"must give the same probabilities .* up to 0\.2"):
        exporting.refuse_another(Report(difference=0.2), "accuracy", 0.9, manifest)


def test_images_that_were_moved_with_the_study_are_found(
    finished_study: FinishedStudy, tmp_path: Path
) -> None:
    """A project that was copied elsewhere needs nothing of the old place."""
    project = tmp_path / "project"
    shutil.copytree(finished_study.folder / "hpo_runs", project / "hpo_runs")
    shutil.copytree(finished_study.images, project / "images")
    study = opened(FinishedStudy(project, project / "images", finished_study.name))
    path = study.files.manifest
    gone = read_manifest(study).model_copy(update={"source": "/somewhere/old/images"})
    path.write_text(gone.model_dump_json())
    assert read_manifest(study).source == str(project / "images")


def test_changed_images_are_found(
    finished_study: FinishedStudy, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that was replaced since the study was created is not evaluated on."""
    monkeypatch.setenv("HPO_CACHE_DIR", str(tmp_path))
    manifest = read_manifest(opened(finished_study))
    items = [item.model_copy(update={"sha256": "0" * 64}) for item in manifest.items[:1]]
    other = manifest.model_copy(update={"items": (*items, *manifest.items[1:])})
    with pytest.raises(DataError, match="must stay as it was"):
        check(Job(model=exported, manifest=other, image_size_px=8))


def test_the_lead_of_one_class_over_another() -> None:
    """It is 0 where both ways find one class, small for a near tie, large for a contradiction."""
    decoded = np.array([[0.9, 0.1], [0.52, 0.48], [0.9, 0.1]])
    raw = np.array([[0.8, 0.2], [0.48, 0.52], [0.2, 0.8]])
    assert lead_over(decoded, raw) == pytest.approx([0, 0.04, 0.6])


@pytest.mark.parametrize(("files", "contradicting"), [(200, 6), (10, 1)])
def test_three_in_a_hundred_files_may_be_contradictions(files: int, contradicting: int) -> None:
    """Of 200 files 6 may be seen otherwise than their decoded images; of few files, one."""
    report = Report(figures={"accuracy": 0.5}, files=files, contradicting=contradicting)
    exporting.refuse_another(report, "accuracy", 0.5, _manifest(100))
    worse = report.model_copy(update={"contradicting": contradicting + 1})
    with pytest.raises(ModelError, match=f"another class for {contradicting + 1} of {files} files"):
        exporting.refuse_another(worse, "accuracy", 0.5, _manifest(100))


@pytest.mark.parametrize(("found", "fine"), [(0.49, True), (0.51, True), (0.52, False)])
def test_one_image_may_tip_over(found: float, fine: bool) -> None:
    """With 100 validation images the accuracy may differ by 0.01."""
    report = Report(figures={"accuracy": found}, files=1)
    if fine:
        exporting.refuse_another(report, "accuracy", 0.5, _manifest(100))
        return
    with pytest.raises(ModelError, match=r"0\.520000 from the file, 0\.500000 in the study"):
        exporting.refuse_another(report, "accuracy", 0.5, _manifest(100))


def _manifest(images: int) -> Manifest:
    """A manifest of validation images of two classes in turn."""
    items = tuple(
        Item(path=str(i), sha256=str(i), label=i % 2, split="validation") for i in range(images)
    )
    return Manifest(
        source="/nowhere", kind="folder", layout="x", classes=("a", "b"), items=items, seed=0
    )
