"""Checks an exported file in a process of its own, as whoever receives it would load it.

`python -m hpo.results.verify` reads a `Job` from its standard input and prints a `Report`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from data_pipeline.cache import Cache
from data_pipeline.datasets import load_arrays
from data_pipeline.errors import DataError
from data_pipeline.images import read_image
from data_pipeline.manifest import Manifest
from data_pipeline.store import Examples, open_store
from hpo.results.quiet import load_tensorflow
from studies.metrics import evaluate

MOST_FILES = 200
NEAR_TIE = 0.1
"""Where two classes' probabilities differ by less, either is as good a guess."""


class Job(BaseModel):
    """What to check.

    Attributes:
        model: The exported file.
        manifest: The study's images.
        image_size_px: Size they are decoded at.
    """

    model_config = ConfigDict(frozen=True)

    model: Path
    manifest: Manifest
    image_size_px: int


class Report(BaseModel):
    """What was found.

    Attributes:
        figures: Metric name to its value on the decoded validation images.
        files: Validation files that were read as they lie on the disk.
        agreeing: Of these, those that were given the class of their decoded image.
        contradicting: Those that were given another, and clearly.
        problem: Why nothing could be checked, for the user.
    """

    model_config = ConfigDict(frozen=True)

    figures: dict[str, float] = {}
    files: int = 0
    agreeing: int = 0
    contradicting: int = 0
    problem: str | None = None


def check(job: Job) -> Report:
    """Loads the file with plain Keras and classifies the validation images both ways.

    Raises:
        DataError: The images are not there any more, or are others.
    """
    load_tensorflow()

    import keras

    from hpo.results.predictions import Classifier

    classifier = Classifier(keras.saving.load_model(job.model))
    split = open_store(job.manifest, job.image_size_px, Cache()).splits["validation"]
    decoded = classifier.split(split)
    figures = evaluate(decoded, split.labels)
    chosen = np.unique(np.linspace(0, len(split) - 1, min(MOST_FILES, len(split))).astype(int))
    raw = np.stack([classifier.image(i) for i in _raw_images(job.manifest, split, chosen)])
    lead = lead_over(decoded[chosen], raw)
    return Report(
        figures=figures,
        files=len(chosen),
        agreeing=int((lead == 0).sum()),
        contradicting=int((lead > NEAR_TIE).sum()),
    )


def lead_over(decoded: np.ndarray, raw: np.ndarray) -> np.ndarray:
    """Returns by how much a file's class is likelier than its decoded image's, (n,).

    Args:
        decoded: Probabilities (n, classes) for the decoded images.
        raw: The same for their files.
    """
    return np.asarray(raw.max(axis=1) - raw[np.arange(len(raw)), decoded.argmax(axis=1)])


def _raw_images(manifest: Manifest, split: Examples, chosen: np.ndarray) -> Iterator[np.ndarray]:
    """Yields images as `hpo predict` reads them, of their own sizes (hwc, uint8)."""
    if manifest.kind == "builtin":
        images_bhwc = load_arrays(manifest.source)[0]
        yield from (images_bhwc[int(split.paths[row])] for row in chosen)
    else:
        root = Path(manifest.source)
        yield from (np.asarray(read_image(root / split.paths[row])) for row in chosen)


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
