"""Where a trial's time goes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Stopwatch:
    """Adds up seconds by what they were spent on, over all processes that worked on a trial."""

    def __init__(self) -> None:
        self._spent: dict[str, float] = {}
        self._began = time.monotonic()

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Counts what is done inside."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._spent[what] = self._spent.get(what, 0.0) + time.monotonic() - began

    def add(self, earlier: Mapping[str, float]) -> None:
        """Adds what other processes have spent before."""
        for what, seconds in earlier.items():
            self._spent[what] = self._spent.get(what, 0.0) + seconds

    def seconds(self) -> dict[str, float]:
        """Returns what was spent so far; `total` is all the time there was."""
        total = self._spent.get("total", 0.0) + time.monotonic() - self._began
        return self._spent | {"total": total}
