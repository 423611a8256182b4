"""A clock that tests move by hand."""

from __future__ import annotations


class Clock:
    """Stands in for the module `time`: its time goes on only where a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Returns the time, in seconds."""
        return self.now
