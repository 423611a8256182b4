"""Checks an exported file in a process of its own, as the people who receive it load it.

`python -m hpo.results.verify` reads a `Job` from its standard input and prints a `Report`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from data_pipeline.cache import Cache
from data_pipeline.errors import DataError
from data_pipeline.manifest import Manifest
from data_pipeline.store import open_store
from hpo.results.quiet import load_tensorflow
from studies.metrics import evaluate

if TYPE_CHECKING:
    from hpo.results.predictions import Classifier

MOST_FILES = 200
NOISE, NOISE_PX = 8, 64
NEAR_TIE = 0.1
"""Where two classes' probabilities differ by less, either is as good a guess."""


class Job(BaseModel):
    """What to check.

    Attributes:
        model: The exported file.
        manifest: The study's images.
        image_size_px: Size they are decoded at; None where its figures are not to be computed,
            since it has several sizes or was trained on these images.
        expected: Probabilities (n, classes) that the model had for `noise` before it was saved,
            where there may be no images to check it with; else empty.
        decoded: Probabilities (n, classes) for the decoded images of `rows_to_check`, where the
            figures are not to be computed; else empty.
    """

    model_config = ConfigDict(frozen=True)

    model: Path
    manifest: Manifest
    image_size_px: int | None
    expected: list[list[float]] = []
    decoded: list[list[float]] = []


class Report(BaseModel):
    """What was found.

    Attributes:
        figures: Metric name to its value on the decoded validation images; empty where neither
            they nor their files are there.
        files: Validation files that were read as they lie on the disk.
        agreeing: Of these, those that were given the class of their decoded image.
        contradicting: Those that were given another, and clearly.
        difference: Largest difference to the expected probabilities; None where none were given.
        left_out: Which part of the check was left out, and why; empty where none was.
        problem: Why nothing could be checked, for the user.
    """

    model_config = ConfigDict(frozen=True)

    figures: dict[str, float] = {}
    files: int = 0
    agreeing: int = 0
    contradicting: int = 0
    difference: float | None = None
    left_out: str = ""
    problem: str | None = None


def check(job: Job) -> Report:
    """Loads the file with plain Keras and classifies the validation images both ways.

    Raises:
        DataError: The images are gone or have changed.
    """
    load_tensorflow()

    import keras

    from hpo.results.predictions import Classifier

    classifier, source = Classifier(keras.saving.load_model(job.model)), job.manifest.open()
    difference = None
    if job.expected:
        found = np.stack([classifier.image(image) for image in noise()])
        difference = float(np.abs(found - np.array(job.expected)).max())
    if job.image_size_px is None:
        return _by_files(job, classifier, difference)
    gone = f"the images are not there ({source.images or source.name})"
    try:
        split = open_store(job.manifest, job.image_size_px, Cache()).splits["validation"]
    except DataError:
        if source.is_there() or difference is None:
            raise
        left_out = f"Its figures were not computed again, because {gone}."
        return Report(difference=difference, left_out=left_out)
    decoded = classifier.split(split)
    figures = evaluate(decoded, split.labels)
    if not source.is_there():
        left_out = f"No file was read to compare it with its decoded image, because {gone}."
        return Report(figures=figures, difference=difference, left_out=left_out)
    chosen = rows_to_check(len(split))
    report = _compared(job.manifest, classifier, split.paths, chosen, decoded[chosen])
    return report.model_copy(update={"figures": figures, "difference": difference})


def _by_files(job: Job, classifier: Classifier, difference: float | None) -> Report:
    """Compares files with what the model said of their decoded images before it was saved."""
    if not job.manifest.open().is_there():
        left_out = "Its figures were not computed again, because the images are not there."
        return Report(difference=difference, left_out=left_out)
    paths = [item.path for item in job.manifest.items if item.split == "validation"]
    chosen = rows_to_check(len(paths))
    report = _compared(job.manifest, classifier, paths, chosen, np.array(job.decoded))
    return report.model_copy(update={"difference": difference})


def _compared(
    manifest: Manifest,
    classifier: Classifier,
    paths: Sequence[str],
    chosen: np.ndarray,
    decoded: np.ndarray,
) -> Report:
    """Classifies files as they lie on the disk.

    Args:
        manifest: The images.
        classifier: The loaded model.
        paths: Files of the validation images.
        chosen: Which of them to read.
        decoded: Probabilities for their decoded images (chosen, classes).
    """
    source, reading = manifest.open(), manifest.reading
    files = (np.asarray(source.read(paths[row], reading)) for row in chosen)
    raw = np.stack([classifier.image(image_hwc) for image_hwc in files])
    lead = lead_over(decoded, raw)
    return Report(
        files=len(chosen),
        agreeing=int((lead == 0).sum()),
        contradicting=int((lead > NEAR_TIE).sum()),
    )


def rows_to_check(images: int) -> np.ndarray:
    """Returns which of the validation images are read as files, spread over all of them."""
    return np.unique(np.linspace(0, images - 1, min(MOST_FILES, images)).astype(int))


def noise() -> np.ndarray:
    """Returns a few images of noise, always the same (n, h, w, 3), uint8."""
    shape = (NOISE, NOISE_PX, NOISE_PX, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def lead_over(decoded: np.ndarray, raw: np.ndarray) -> np.ndarray:
    """Returns by how much a file's class is likelier than its decoded image's, (n,).

    Args:
        decoded: Probabilities (n, classes) for the decoded images.
        raw: The same for their files.
    """
    return np.asarray(raw.max(axis=1) - raw[np.arange(len(raw)), decoded.argmax(axis=1)])


def main() -> None:
    """Checks what standard input asks for."""
    job = Job.model_validate_json(sys.stdin.buffer.read())
    try:
        report = check(job)
    except DataError as error:
        report = Report(problem=str(error))
    print(report.model_dump_json())


if __name__ == "__main__":
    main()
