"""Writes files while something else is done."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Saver:
    """Writes a trial's files while its next epoch is trained, rather than wait for the disk.

    A kill while a file is written costs that file, so its epoch is trained again. Used in a `with`
    statement, which ends when all is written.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._under_way: Future[None] | None = None

    def __enter__(self) -> Saver:
        return self

    def __exit__(self, *_: object) -> None:
        with self._pool:
            self.wait()

    def submit(self, write: Callable[[], None]) -> None:
        """Writes, as soon as what was submitted before is written.

        Raises:
            OSError: What was submitted before could not be written.
        """
        self.wait()
        self._under_way = self._pool.submit(write)

    def wait(self) -> None:
        """Waits until what was submitted is written.

        Raises:
            OSError: It could not be.
        """
        if self._under_way:
            done, self._under_way = self._under_way, None
            done.result()
