"""Writes a trial's model to a file, and keeps the file only if it proves to be that model."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_pipeline.errors import DataError
from data_pipeline.manifest import Manifest
from hpo.results.layers_file import layers_needed, write_layers
from hpo.results.rebuild import rebuild
from hpo.results.verify import Job, Report
from hpo.search.open_study import OpenStudy, read_manifest
from models.errors import ModelError
from studies.errors import StudyError
from studies.metrics import METRICS
from studies.record import read_config, value_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

SUFFIX = ".keras"
VERIFIER = [sys.executable, "-P", "-m", "hpo.results.verify"]
"""`-P` keeps a `models.py` in the current folder from being taken for ours."""
MOST_CONTRADICTING = 0.03
"""Share of the files that may clearly be given another class than their decoded images. Those were
rounded to whole grey levels after resizing, which the model's own resizing is not, so that pixels
differ by up to one level."""

MOST_DIFFERENCE = 1e-4
"""Of the probabilities of one model before and after it was saved, both in float32."""


@dataclass(frozen=True)
class Exported:
    """A file that was checked.

    Attributes:
        path: The file.
        size_bytes: Its size.
        recorded: The trial's objective as the study has it.
        report: What a fresh process found.
        layers: File that Keras needs besides, for layers of the user's own; None without any.
    """

    path: Path
    size_bytes: int
    recorded: float
    report: Report
    layers: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """Returns it as JSON."""
        return {
            "path": str(self.path),
            "size_bytes": self.size_bytes,
            "recorded": self.recorded,
            "layers": self.layers and str(self.layers),
            **self.report.model_dump(exclude={"problem"}),
        }


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuses a place that nothing can be exported to, before anything is computed.

    Raises:
        StudyError: The name does not end in .keras, something is there already, or its folder is
            missing or cannot be written.
    """
    if path.suffix != SUFFIX:
        raise StudyError(
            f"--export must name a file that ends in {SUFFIX}. Received: {path}. "
            f"Write --export {path.with_suffix(SUFFIX) if path.name else 'model.keras'}."
        )
    if path.is_dir():
        raise StudyError(
            f"--export must name a file. Received: {path}, which is a folder. Choose another name."
        )
    if path.exists() and not overwrite:
        raise StudyError(
            f"--export must not replace a file. Received: {path}, which exists. "
            "Choose another name or add --overwrite."
        )
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise StudyError(
            f"The folder of an exported model must exist and be writable. Received: {path.parent} "
            f"({error.strerror}). Create it, or choose another."
        ) from error


def export(opened: OpenStudy, trial: FrozenTrial, target: Path) -> Exported:
    """Writes the model of a trial; a file of that name is replaced.

    The file appears under its name only when a fresh process has loaded it with plain Keras and
    reproduced the trial's objective.

    Raises:
        StudyError: The trial's weights are gone, or there is no space for the file.
        ModelError: What was written is not the trial's model; it is not kept.
        DataError: The validation images are not what they were.
    """
    recorded = value_of(trial)
    assert recorded is not None
    manifest = read_manifest(opened)
    config = read_config(trial).model
    model, layers = rebuild(opened, trial, manifest), layers_needed(opened, config)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}{SUFFIX}")
    try:
        _save(model, temporary)
        expected = [] if manifest.open().is_there() else _on_noise(model)
        report = _verify(
            Job(
                model=temporary.resolve(),
                manifest=manifest,
                image_size_px=config.image_size_px,
                expected=expected,
                layers=layers,
            )
        )
        refuse_another(report, opened.record.settings["metric"], recorded, manifest)
        beside = write_layers(target, layers)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return Exported(target, target.stat().st_size, recorded, report, beside)


def _on_noise(model: Any) -> list[list[float]]:
    """Returns the probabilities of an unsaved model for images of noise."""
    from hpo.results.predictions import Classifier
    from hpo.results.verify import noise

    classifier = Classifier(model)
    return [classifier.image(image).tolist() for image in noise()]


def _save(model: object, path: Path) -> None:
    try:
        model.save(path)  # type: ignore[attr-defined]
    except OSError as error:
        raise StudyError(
            f"An exported model must fit on its disk. Received: {path.parent} ({error}). "
            "Free space or choose another folder."
        ) from error


def _verify(job: Job) -> Report:
    """Has a fresh process check a file."""
    done = subprocess.run(
        VERIFIER,
        input=job.model_dump_json().encode(),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise ModelError(
            "An exported model must load in a fresh process. Received: "
            f"{words[-1] if words else f'exit status {done.returncode}'}. No file was kept."
        )
    report = Report.model_validate_json(done.stdout.splitlines()[-1])
    if report.problem:
        raise DataError(f"{report.problem} No file was kept.")
    return report


def refuse_another(report: Report, metric: str, recorded: float, manifest: Manifest) -> None:
    """Raises ModelError unless the file is the model that the trial ended with."""
    if report.difference is not None and report.difference > MOST_DIFFERENCE:
        raise ModelError(
            "An exported model must give the same probabilities as before it was saved. "
            f"Received: some that differ by up to {report.difference:.6f}. No file was kept."
        )
    if metric not in report.figures:
        return  # the images are gone; `report.left_out` says so
    found = report.figures[metric]
    images = Counter(item.label for item in manifest.items if item.split == "validation")
    if abs(found - recorded) > METRICS[metric].tolerance(recorded, list(images.values())):
        raise ModelError(
            f"An exported model must reproduce its trial's validation {metric}. "
            f"Received: {found:.6f} from the file, {recorded:.6f} in the study. No file was kept. "
            "Were the pretrained weights or the packages changed since? `hpo studies --json` "
            "shows the versions."
        )
    if report.contradicting > max(1, math.ceil(MOST_CONTRADICTING * report.files)):
        raise ModelError(
            "An exported model must give a file the same class as its decoded image. "
            f"Received: clearly another class for {report.contradicting} of {report.files} files. "
            "No file was kept."
        )
