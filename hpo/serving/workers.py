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

Picture = npt.NDArray[np.uint8]
"""(h, w, 3), RGB, 0..255."""
Row = npt.NDArray[np.floating]
"""Probabilities (classes,)."""


class CrowdedError(Exception):
    """As many pictures wait already as may."""


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
    """Threads with one queue.

    Attributes:
        most: Pictures that may be in the house at once.
        inside: Pictures that are. It is changed by the thread of the server alone.
    """

    def __init__(self, model: Model, threads: int, most: int) -> None:
        """Starts them.

        Args:
            model: A model that several threads may use at once.
            threads: How many.
            most: Pictures that may wait or be worked on at once.
        """
        self.most = most
        self.inside = 0
        self._model = model
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def enter(self, pictures: int) -> None:
        """Takes room for pictures that are about to come; `leave` gives it back.

        Raises:
            CrowdedError: There is none.
        """
        if self.inside + pictures > self.most:
            raise CrowdedError
        self.inside += pictures

    def leave(self, pictures: int) -> None:
        """Gives back the room of so many pictures."""
        self.inside -= pictures

    def start(self, pictures: Sequence[Callable[[], Picture]]) -> list[Future[Row]]:
        """Puts pictures, for which there is room, into the queue; returns their answers to be."""
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
            ready = [
                (each, picture)
                for each in [job, *self._others()]
                if (picture := _picture(each)) is not None
            ]
            _answer(self._model, sorted(ready, key=lambda pair: pair[1].shape))

    def _others(self) -> list[Job]:
        """Jobs that wait as well: this thread's share, and no more than make a batch."""
        share = min(MOST_AT_ONCE - 1, self._queue.qsize() // len(self._threads))
        jobs = []
        for _ in range(share):
            try:
                job = self._queue.get_nowait()
            except Empty:
                break
            if job is None:  # the end, which is another thread's
                self._queue.put(None)
                break
            jobs.append(job)
        return jobs


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
