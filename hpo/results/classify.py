"""Classifies files with every processor, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_pipeline.errors import DataError
from data_pipeline.images import read_image
from data_pipeline.reading import Reading
from hpo.runtimes.model import Model

MOST_FILES = 16
"""Files that a thread takes at once."""
MOST_PIXELS = 8_000_000
"""A thread holds no more decoded pixels than these and one image's."""


@dataclass(frozen=True)
class Answer:
    """What came of one file.

    Attributes:
        file: The file.
        probabilities: (classes,), in the order of the model's classes; None if it was not read.
        problem: Why it was not read; empty if it was.
    """

    file: Path
    probabilities: npt.NDArray[np.floating] | None
    problem: str = ""


def classify(
    model: Model, files: Sequence[Path], reading: Reading, threads: int
) -> Iterator[Answer]:
    """Yields what came of each file, in the order of the files.

    Each thread decodes some files and classifies them itself: decoders and runtimes release the
    interpreter's lock, and no thread waits for another.

    Args:
        model: A model that several threads may use at once.
        files: Image files.
        reading: How their pixels become 8-bit RGB.
        threads: How many to use.
    """
    size = max(1, min(MOST_FILES, len(files) // (4 * threads)))
    waiting: deque[Future[list[Answer]]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for some in _pieces(files, size):
            waiting.append(pool.submit(_answers, model, some, reading))
            if len(waiting) > 2 * threads:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _pieces(files: Iterable[Path], size: int) -> Iterator[list[Path]]:
    rest = iter(files)
    while piece := list(islice(rest, size)):
        yield piece


def _answers(model: Model, files: Sequence[Path], reading: Reading) -> list[Answer]:
    answers: dict[Path, Answer] = {}
    held: dict[Path, npt.NDArray[np.uint8]] = {}

    def classify_held() -> None:
        if held:
            rows = model.predict(list(held.values()))
            answers.update((file, Answer(file, row)) for file, row in zip(held, rows, strict=True))
            held.clear()

    for file in files:
        try:
            held[file] = np.asarray(read_image(file, reading))
        except DataError as error:
            answers[file] = Answer(file, None, str(error))
        if sum(image.size // 3 for image in held.values()) >= MOST_PIXELS:
            classify_held()
    classify_held()
    return [answers[file] for file in files]
