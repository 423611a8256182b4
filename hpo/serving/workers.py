"""The threads that decode and classify pictures, and the queue in front of them.

Pictures of different requests that wait at the same time share a batch, as in TensorFlow Serving
(`batching_parameters`) and LitServe; nobody waits for a batch to fill, as a picture alone would.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from hpo.runtimes.model import Model

MOST_AT_ONCE = 8
"""Pictures of a batch. A processor gains little by more, and the first waits for the last."""
MOST_PIXELS = 8_000_000
"""A batch of so many is not added to, so that a thread holds no more than these and one picture."""

Picture = npt.NDArray[np.uint8]
"""(h, w, 3), RGB, 0..255."""
Row = npt.NDArray[np.floating]
"""Probabilities (classes,)."""


@dataclass(frozen=True)
class Job:
    """One picture to classify.

    Attributes:
        picture: Returns it; decodes it where that is still to be done.
        answer: Will hold its probabilities, or what `picture` or the model raised.
    """

    picture: Callable[[], Picture]
    answer: Future[Row] = field(default_factory=Future)


class Workers:
    """Threads with one queue."""

    def __init__(self, model: Model, threads: int) -> None:
        """Starts them.

        Args:
            model: A model that several threads may use at once.
            threads: How many.
        """
        self._model = model
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def start(self, pictures: Sequence[Callable[[], Picture]]) -> list[Future[Row]]:
        """Puts pictures into the queue; returns their answers to be."""
        jobs = [Job(picture) for picture in pictures]
        for job in jobs:
            self._queue.put(job)
        return [job.answer for job in jobs]

    def stop(self) -> None:
        """Ends the threads once the queue is empty."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            ready = [(each, found) for each, found in self._batch(job) if found is not None]
            _answer(self._model, sorted(ready, key=lambda pair: pair[1].shape))

    def _batch(self, job: Job) -> list[tuple[Job, Picture | None]]:
        """Decodes a job, and those that wait as well: this thread's share, up to a batch."""
        batch, pixels = [(job, _picture(job))], 0
        share = min(MOST_AT_ONCE - 1, self._queue.qsize() // len(self._threads))
        for _ in range(share):
            found = batch[-1][1]
            pixels += 0 if found is None else found.size // 3
            if pixels >= MOST_PIXELS or (other := self._another()) is None:
                break
            batch.append((other, _picture(other)))
        return batch

    def _another(self) -> Job | None:
        try:
            job = self._queue.get_nowait()
        except Empty:
            return None
        if job is None:  # the end, which is another thread's
            self._queue.put(None)
        return job


def _picture(job: Job) -> Picture | None:
    """The job's picture; None where nobody waits for it any more, or it cannot be had."""
    if not job.answer.set_running_or_notify_cancel():
        return None
    try:
        return job.picture()
    except Exception as error:  # whoever asked is told
        job.answer.set_exception(error)
        return None


def _answer(model: Model, ready: Sequence[tuple[Job, Picture]]) -> None:
    """Classifies pictures together; one that the model fails on does not fail the others."""
    if not ready:
        return
    try:
        rows = model.predict([picture for _, picture in ready])
    except Exception as error:
        if len(ready) == 1:
            ready[0][0].answer.set_exception(error)
            return
        for pair in ready:
            _answer(model, [pair])
        return
    for (job, _), row in zip(ready, rows, strict=True):
        job.answer.set_result(row)
