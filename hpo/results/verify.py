"""Checks an exported file in a process of its own, as the people who receive it load it.

`python -m hpo.results.verify` reads a `Job` from its standard input and prints a `Report`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from data_pipeline.cache import Cache
from data_pipeline.errors import DataError
from data_pipeline.manifest import Item, Manifest
from data_pipeline.store import open_store
from hpo.runtimes.table import RUNTIMES
from studies.metrics import accuracy, evaluate

if TYPE_CHECKING:
    from hpo.runtimes.model import Images, Model, Probabilities

MOST_FILES = 1000
NOISE, NOISE_PX = 8, 64
MOST_DIFFERENCE = 1e-4
"""Of the probabilities of one model before and after it was saved, both in float32."""
NEAR_TIE = 0.1
"""Where two classes' probabilities differ by less, either is as good a guess."""

AT_ONCE = 32
"""Files that are read before they are classified; images of one size among them share a batch."""
SINGLES, BATCHES, BATCH = 25, 5, 16


class Job(BaseModel):
    """What to check.

    Attributes:
        model: The exported file.
        manifest: The study's images.
        image_size_px: Size they are decoded at.
        runtime: Key of `RUNTIMES`: what reads the file.
        decoded: Whether the decoded images are classified as well, which the study's figures are
            of.
        probabilities: File to write the probabilities (n, classes) for `noise`, or for the images,
            to; None for none.
        expected: Probabilities (n, classes) that the model had for `noise` before it was saved,
            where its figures may not be computed; else empty.
        said: Probabilities (n, classes) that the model had for the decoded images of
            `rows_to_check` before it was saved, where its figures cannot tell: it sees images of
            several sizes, or was trained on these. Else empty.
        layers: Python code that its layers need to be loaded; empty where they are Keras's own.
    """

    model_config = ConfigDict(frozen=True)

    model: Path
    manifest: Manifest
    image_size_px: int
    runtime: str = "keras"
    decoded: bool = True
    probabilities: Path | None = None
    expected: list[list[float]] = []
    said: list[list[float]] = []
    layers: str = ""


class Report(BaseModel):
    """What was found.

    Attributes:
        figures: Metric name to its value on the decoded validation images; empty where neither
            they nor their files are there.
        files: Validation files that were read as they lie on the disk.
        accuracy: Share of these files that are given their class; None where there are none.
        agreeing: Of these, those that were given the class of their decoded image.
        contradicting: Those that were given another, and clearly.
        difference: Largest difference to the expected probabilities; None where none were given.
        single_ms: Time that one image takes, without reading its file; the median of several.
        batch_ms: The same for an image of a batch.
        timed_px: Height and width of the image that was timed.
        left_out: Which part of the check was left out, and why; empty where none was.
        problem: Why nothing could be checked, for the user.
    """

    model_config = ConfigDict(frozen=True)

    figures: dict[str, float] = {}
    files: int = 0
    accuracy: float | None = None
    agreeing: int = 0
    contradicting: int = 0
    difference: float | None = None
    single_ms: float | None = None
    batch_ms: float | None = None
    timed_px: tuple[int, int] | None = None
    left_out: str = ""
    problem: str | None = None


def check(job: Job) -> Report:
    """Loads the file with its own runtime and classifies the validation images.

    Raises:
        DataError: The images are gone or have changed.
        ModelError: The file is no model.
    """
    model, source = RUNTIMES[job.runtime].load(job.model, layers=job.layers), job.manifest.open()
    difference = None
    if job.expected:
        found = model.predict(list(noise()))
        difference = float(np.abs(found - np.array(job.expected)).max())
    gone = f"the images are not there ({source.images or source.name})"
    try:
        decoded = _decoded(model, job) if job.decoded else None
    except DataError:
        if source.is_there() or difference is None:
            raise
        left_out = f"Its figures were not computed again, because {gone}."
        _keep(job, model.predict(list(noise())))
        return Report(difference=difference, left_out=left_out, **_times(model, noise()[0]))
    report = Report(difference=difference)
    if decoded is not None:
        report = report.model_copy(update={"figures": evaluate(*decoded)})
    if not source.is_there():
        left_out = f"No file was read to compare it with its decoded image, because {gone}."
        _keep(job, model.predict(list(noise())))
        times = _times(model, noise()[0])
        return report.model_copy(update={"left_out": left_out, **times})
    said = np.array(job.said) if job.said else None
    if decoded is not None:
        said = decoded[0][rows_to_check(len(decoded[0]))]
    return report.model_copy(update=_raw(model, job, said))


def _decoded(model: Model, job: Job) -> tuple[Probabilities, np.ndarray]:
    """Returns probabilities and labels of the decoded validation images."""
    split = open_store(job.manifest, job.image_size_px, Cache()).splits["validation"]
    parts = [
        model.batch(split.images_bhwc[split.rows[begin : begin + AT_ONCE]])
        for begin in range(0, len(split), AT_ONCE)
    ]
    return np.concatenate(parts), split.labels


def rows_to_check(images: int) -> np.ndarray:
    """Returns which of the validation images are read as files, spread over all of them."""
    return np.unique(np.linspace(0, images - 1, min(MOST_FILES, images)).astype(int))


def _raw(model: Model, job: Job, decoded: Probabilities | None) -> dict[str, object]:
    """Returns the fields of a report that come from the files as they lie on the disk.

    Args:
        model: The model.
        job: What to check.
        decoded: Probabilities for the decoded images of the same files; None where not known.
    """
    items = [item for item in job.manifest.items if item.split == "validation"]
    chosen = rows_to_check(len(items))
    some, parts, image = [items[row] for row in chosen], [], None
    for images in _read(job, some):
        parts.append(model.predict(images))
        image = images[0]
    raw = np.concatenate(parts)
    _keep(job, raw)
    assert image is not None
    found: dict[str, object] = {
        "files": len(some),
        "accuracy": accuracy(raw, np.array([item.label for item in some])),
        **_times(model, image),
    }
    if decoded is not None:
        lead = lead_over(decoded, raw)
        found |= {"agreeing": int((lead == 0).sum()), "contradicting": int((lead > NEAR_TIE).sum())}
    return found


def _read(job: Job, items: list[Item]) -> Iterator[list[Images]]:
    source, reading = job.manifest.open(), job.manifest.reading
    for begin in range(0, len(items), AT_ONCE):
        yield [
            np.asarray(source.read(item.path, reading)) for item in items[begin : begin + AT_ONCE]
        ]


def _keep(job: Job, probabilities: Probabilities) -> None:
    if job.probabilities:
        np.save(job.probabilities, probabilities)


def _times(model: Model, image: Images) -> dict[str, object]:
    """Returns the fields of a report on how long an image takes."""
    one, many = image[np.newaxis], np.repeat(image[np.newaxis], BATCH, axis=0)
    return {
        "single_ms": _median_ms(model, one, SINGLES),
        "batch_ms": _median_ms(model, many, BATCHES) / BATCH,
        "timed_px": image.shape[:2],
    }


def _median_ms(model: Model, images_bhwc: Images, times: int) -> float:
    model.batch(images_bhwc)  # the first call of a shape prepares the runtime
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        model.batch(images_bhwc)
        found.append(time.perf_counter() - begin)
    return 1e3 * median(found)


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
