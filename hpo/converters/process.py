"""Converts a model in a process of its own, since a converter that crashes ends its process.

`python -m hpo.converters.process` reads a `Job` from its standard input and prints a `Done`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from data_pipeline.errors import DataError
from data_pipeline.manifest import Manifest
from hpo.converters.conversion import Conversion
from hpo.converters.table import FORMATS
from hpo.disk import disk_problem
from hpo.quiet import load_tensorflow
from hpo.runtimes.metadata import Metadata
from hpo.runtimes.model import Images

SAMPLES = 200
"""Training images for the ranges of 8-bit numbers; TensorFlow's guide advises some hundreds."""


class Job(BaseModel):
    """What to convert.

    Attributes:
        model: A `.keras` file of ours.
        metadata: What is to travel with it.
        format: Key of `FORMATS`.
        target: Where to write.
        manifest: The images, of which those for training may be read.
        layers: Python code that its layers need to be loaded; empty where they are Keras's own.
    """

    model_config = ConfigDict(frozen=True)

    model: Path
    metadata: Metadata
    format: str
    target: Path
    manifest: Manifest
    layers: str = ""


class Done(BaseModel):
    """How it went.

    Attributes:
        problem: Why it could not be done, for the user; None where it was.
    """

    problem: str | None = None


def _samples(job: Job) -> list[Images]:
    """Returns training images, evenly from all of them.

    Raises:
        DataError: They are gone or have changed.
    """
    paths = [item.path for item in job.manifest.items if item.split == "train"]
    source = job.manifest.open()
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(SAMPLES, len(paths))).astype(int))
    return [np.asarray(source.read(paths[i], job.manifest.reading)) for i in chosen]


def run(job: Job) -> None:
    """Converts a model.

    Raises:
        DataError: The training images that are needed are not there.
    """
    load_tensorflow()

    from models.export import load_model

    def samples() -> Iterator[Images]:
        yield from _samples(job)

    FORMATS[job.format].convert(
        Conversion(load_model(job.model, job.layers or None), job.metadata, job.target, samples)
    )


def main() -> None:
    """Converts what standard input asks for."""
    job, done = Job.model_validate_json(sys.stdin.buffer.read()), Done()
    try:
        run(job)
    except DataError as error:
        done = Done(problem=str(error))
    except OSError as error:
        if not (problem := disk_problem(error)):
            raise
        done = Done(problem=problem)
    print(done.model_dump_json())


if __name__ == "__main__":
    main()
