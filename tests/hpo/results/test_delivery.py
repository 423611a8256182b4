"""Tests of making files in several formats and of keeping the right ones."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_pipeline.manifest import Manifest
from hpo.converters.table import FORMATS
from hpo.results import delivery
from hpo.results.delivery import Delivered
from hpo.results.export import Exported, export
from hpo.results.targets import Target
from hpo.results.terms import Terms
from hpo.results.verify import Job, Report, check
from hpo.runtimes.metadata import Metadata
from hpo.search.open_study import read_manifest
from tests.hpo.conftest import BEST, CLASSES, FinishedStudy
from tests.hpo.results.test_export import opened

# Keras saves its variables through an interface that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PRINT = "\nimport json\nprint(json.dumps([float(share) for share in probabilities]))\n"


def blocks(card: Path) -> list[str]:
    """The Python of a card: how to read a picture, one block a file, and the classes."""
    return re.findall(r"```python\n(.*?)```", card.read_text(), re.DOTALL)


def follow(card: Path, block: str, picture: Path) -> list[float]:
    """What somebody gets who has only the card, its files and the packages."""
    code = blocks(card)[0].replace("picture.jpg", str(picture)) + block + PRINT
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        cwd=card.parent,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shares: list[float] = json.loads(done.stdout.splitlines()[-1])
    return shares


def make(study: FinishedStudy, *names: str, **terms: Any) -> Exported:
    """Exports the best trial into a folder `out`."""
    folder = study.folder / "out"
    folder.mkdir(exist_ok=True)
    targets = [Target(FORMATS[name], folder / FORMATS[name].file) for name in names]
    there = opened(study)
    return export(there, there.study.trials[BEST], targets, Terms(**terms), license_id="mit")


@pytest.fixture(scope="module")
def onnx(finished_study: FinishedStudy) -> Exported:
    """The best trial as ONNX alone."""
    return make(finished_study, "onnx")


class TestOneFormat:
    """An ONNX file, for which a `.keras` file is made on the way."""

    def test_it_is_compared_with_keras(self, onnx: Exported) -> None:
        """Both classified the raw validation files, each with its own runtime."""
        original, found = onnx.files
        assert (original.format.name, original.kept, original.problem) == ("keras", False, "")
        assert (found.format.name, found.kept, found.changed, found.lost) == ("onnx", True, 0, 0)
        assert 0 <= found.difference < 1e-5
        assert found.report.files == original.report.files == 14
        assert found.report.accuracy == original.report.accuracy
        assert found.report.single_ms is not None
        assert found.report.single_ms > 0
        assert found.size_bytes == found.path.stat().st_size
        assert original.report.figures["accuracy"] == pytest.approx(onnx.recorded, abs=1e-6)

    def test_only_it_and_its_card_are_there(self, onnx: Exported) -> None:
        """What was needed on the way is gone."""
        names = {path.name for path in onnx.files[1].path.parent.iterdir()}
        assert names == {"model.onnx", "model-card.md"}

    def test_the_card_is_enough(self, onnx: Exported, finished_study: FinishedStudy) -> None:
        """Its lines, typed by somebody without this project, give the right class."""
        assert onnx.card is not None
        block = next(block for block in blocks(onnx.card) if "onnxruntime" in block)
        for label, name in enumerate(CLASSES):
            shares = follow(onnx.card, block, finished_study.images / name / "000.png")
            assert len(shares) == len(CLASSES)
            assert int(np.argmax(shares)) == label

    def test_the_card_has_what_hubs_read(self, onnx: Exported) -> None:
        """License, task, metrics with their split, classes, counts, hash, and the table."""
        assert onnx.card is not None
        text = onnx.card.read_text()
        head = text.split("---")[1]
        assert '\nlicense: "mit"\nlibrary_name: onnx\n' in head
        assert "\npipeline_tag: image-classification\n" in head
        assert "      split: validation\n    metrics:\n    - type: accuracy\n" in head
        assert f"classes = {list(CLASSES)!r}" in text
        assert re.search(r"\| ONNX \| `model\.onnx` \| [01]\.\d{4} \| \d\.\de-\d\d \| 0 \|", text)
        assert "| Keras | not asked for |" in text
        assert re.search(r"Hash of the images, labels and split: `[0-9a-f]{64}`", text)
        assert "95 % interval" in text

    def test_its_metadata_says_the_same(self, onnx: Exported) -> None:
        """What is in the card is in the file."""
        from hpo.runtimes.table import load

        metadata = load(onnx.files[1].path).metadata
        assert metadata.classes == CLASSES
        assert (metadata.name, metadata.trial, metadata.license) == ("colours", BEST, "mit")
        assert metadata.interval is not None
        assert metadata.interval[0] < metadata.figures["accuracy"] <= metadata.interval[1]


CONVERTED = """
import json, pathlib, sys
job = json.load(sys.stdin)
pathlib.Path(job["target"]).write_text("a model")
print("{}")
"""
CLASSIFIED = """
import json, sys, numpy as np
job = json.load(sys.stdin)
np.save(job["probabilities"], [[0.4, 0.6], [0.1, 0.9]])
print(json.dumps({"files": 200, "accuracy": 0.89}))
"""


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> delivery.Workshop:
    """One whose programs make and find what is written above."""
    monkeypatch.setattr(delivery, "CONVERTER", [sys.executable, "-c", CONVERTED])
    monkeypatch.setattr(delivery, "VERIFIER", [sys.executable, "-c", CLASSIFIED])
    metadata = Metadata(classes=("a", "b"), image_size_px=8)
    manifest = Manifest(
        source="/gone", kind="folder", layout="x", classes=("a", "b"), items=(), seed=0
    )
    (tmp_path / "shop").mkdir()
    return delivery.Workshop(tmp_path / "shop", metadata, manifest, Terms())


@pytest.mark.parametrize(
    ("terms", "kept"),
    [(Terms(), False), (Terms(tolerance=1.0), True), (Terms(accept=True), True)],
)
def test_what_loses_too_much_is_not_kept(
    workshop: delivery.Workshop, tmp_path: Path, terms: Terms, kept: bool
) -> None:
    """The message says how much it lost and what to type; --accept and --tolerance keep it."""
    target = Target(FORMATS["onnx"], tmp_path / "m.onnx")
    original, shares = Report(accuracy=0.9, files=200), np.array([[0.6, 0.4], [0.1, 0.9]])
    row = replace(workshop, terms=terms).other(target, original, shares)
    assert (row.kept, target.path.exists(), row.changed) == (kept, kept, 1)
    assert row.lost == pytest.approx(1.0)
    assert row.difference == pytest.approx(0.2)
    assert row.problem == (
        ""
        if kept
        else "A file may lose 0.5 points of accuracy. Received: ONNX, which loses 1.0 on 200 "
        f"files. {target.path} was not kept. Add --accept, or raise --tolerance."
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise SystemExit('boom')", r"convertible to ONNX\. Received: boom\."),
        ("import os; os.abort()", r"convertible to ONNX\. Received: "),
        ('print(\'{"problem": "The disk is full."}\')', r"The disk is full\. No ONNX file"),
    ],
)
def test_a_converter_that_fails_leaves_the_others(
    code: str,
    words: str,
    workshop: delivery.Workshop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A crash of its process, too, is one row's problem."""
    monkeypatch.setattr(delivery, "CONVERTER", [sys.executable, "-c", code])
    row = workshop.other(Target(FORMATS["onnx"], tmp_path / "m.onnx"), Report(), None)
    assert not row.kept
    assert re.search(words, row.problem)


def test_noise_is_compared_where_the_images_are_gone(
    finished_study: FinishedStudy, onnx: Exported, tmp_path: Path
) -> None:
    """No accuracy is made up, but a file's probabilities are still written for comparison."""
    manifest = read_manifest(opened(finished_study)).model_copy(update={"source": "/gone"})
    job = Job(
        model=onnx.files[1].path,
        manifest=manifest,
        image_size_px=8,
        runtime="onnx",
        decoded=False,
        probabilities=tmp_path / "found.npy",
    )
    report = check(job)
    assert (report.accuracy, report.files) == (None, 0)
    assert "/gone" in report.left_out
    assert np.load(tmp_path / "found.npy").shape == (8, 3)


@pytest.mark.slow
def test_every_format_works_with_the_card_alone(own_study: FinishedStudy) -> None:
    """`--export-all` makes them all, and each block of the card gives the right class."""
    result = own_study.type("best", "--export-all", "all", "--accept")
    assert result.exit_code == 0, result.output
    card = own_study.folder / "all" / "model-card.md"
    files = [block for block in blocks(card)[1:] if not block.startswith("classes")]
    assert len(files) == len(FORMATS)
    for block in files:
        shares = follow(card, block, own_study.images / "red" / "000.png")
        assert int(np.argmax(shares)) == CLASSES.index("red"), block
    again = own_study.type("best", "--export-all", "all")
    assert "which exists" in again.output
    assert again.exit_code == 1


def test_a_row_as_json() -> None:
    """What scripts read."""
    row = Delivered(FORMATS["onnx"], Path("m.onnx"), True, 7, Report(accuracy=0.5), 0.1, 2, 0.0)
    assert row.as_json() == {
        "format": "onnx",
        "path": "m.onnx",
        "kept": True,
        "size_bytes": 7,
        "largest_difference": 0.1,
        "changed": 2,
        "lost_points": 0.0,
        "problem": None,
        "files": 0,
        "accuracy": 0.5,
        "single_ms": None,
        "batch_ms": None,
    }
