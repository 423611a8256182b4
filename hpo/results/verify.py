"""Checks an exported file in a process of its own, as the people who receive it load it.

`python -m hpo.results.verify` reads a `Job` from its standard input and prints a `Report`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from data_pipeline.cache import Cache
from data_pipeline.errors import DataError
from data_pipeline.manifest import Manifest
from data_pipeline.store import open_store
from hpo.results.quiet import load_tensorflow
from studies.metrics import evaluate

MOST_FILES = 200
NOISE, NOISE_PX = 8, 64
NEAR_TIE = 0.1
"""Where two classes' probabilities differ by less, either is as good a guess."""


class Job(BaseModel):
    """What to check.

    Attributes:
        model: The exported file.
        manifest: The study's images.
        image_size_px: Size they are decoded at.
        expected: Probabilities (n, classes) that the model had for `noise` before it was saved,
            where there may be no images to check it with; else empty.
        layers: Python code that its layers need to be loaded; empty where they are Keras's own.
    """

    model_config = ConfigDict(frozen=True)

    model: Path
    manifest: Manifest
    image_size_px: int
    expected: list[list[float]] = []
    layers: str = ""


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
    from models.companion import run_layers

    if job.layers:
        run_layers(job.layers)
    classifier, source = Classifier(keras.saving.load_model(job.model)), job.manifest.open()
    difference = None
    if job.expected:
        found = np.stack([classifier.image(image) for image in noise()])
        difference = float(np.abs(found - np.array(job.expected)).max())
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
    chosen = np.unique(np.linspace(0, len(split) - 1, min(MOST_FILES, len(split))).astype(int))
    reading = job.manifest.reading
    files = (np.asarray(source.read(split.paths[row], reading)) for row in chosen)
    raw = np.stack([classifier.image(image_hwc) for image_hwc in files])
    lead = lead_over(decoded[chosen], raw)
    return Report(
        figures=figures,
        files=len(chosen),
        agreeing=int((lead == 0).sum()),
        contradicting=int((lead > NEAR_TIE).sum()),
        difference=difference,
    )


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
